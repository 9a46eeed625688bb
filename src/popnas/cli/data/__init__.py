"""Commands about data: looking at them, writing a configuration for them, building segmentation files."""
