"""What `restore run` does with photographs."""
