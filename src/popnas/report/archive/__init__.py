"""Many problems at once: `ranks` compares methods over them, `diagram` draws that, `page` is the HTML page.

May import all of `popnas.report` but the pages and sections of single runs.
"""
