"""Networks that answer together: `choosing` says which, `final` trains them and makes one model of all.

May import model selection, whose networks they are, and how one network is trained; not final training, which
asks for them.
"""
