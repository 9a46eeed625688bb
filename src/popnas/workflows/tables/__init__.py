"""Tables of cells: what a search can be tried on in seconds, thousands of times.

`building` trains the cells of a small space and writes their table; `chosen` says which cells, `folder` keeps
what is trained, `written` makes the table of it; `noise` tells what a table's figures are worth; `comparing`
is searches over one table against others. May use the
rooms below; nothing here knows the command line.
"""
