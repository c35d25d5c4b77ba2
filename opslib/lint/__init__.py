"""What is wrong with the compose files of a project: found on the resolved model, told at the line to edit."""
