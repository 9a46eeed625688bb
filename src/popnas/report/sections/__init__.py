"""The parts of the report's page: each file has functions from a run to HTML ("" where there is nothing to
say).

They may use everything in `popnas.report` but the figures' painting. A new part is a function here and a line
in `pages.run_page.OUTLINE`.
"""
