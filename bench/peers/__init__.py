"""What a team would take instead of Tidemark, each as its documentation shows."""
