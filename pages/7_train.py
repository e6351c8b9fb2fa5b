import streamlit as st

st.title("Policy gradients, hands on")
