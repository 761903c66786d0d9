"""From images to the k-space of many coils."""
