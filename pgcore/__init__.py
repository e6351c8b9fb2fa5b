"""Policy gradients in readable PyTorch: from REINFORCE to PPO and GAE.

Read it from the ground up: returns, losses, networks, trajectory, agents, train.
Nothing here imports Streamlit, so everything works from a notebook or a terminal.
"""
