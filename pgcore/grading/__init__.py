"""What the grader's child process does with a learner's agent; the parent is pgcore.grader."""
