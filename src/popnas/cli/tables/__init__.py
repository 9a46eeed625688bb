"""Commands about tables of cells: building one, looking at one."""
