"""A check of the tests: a rule with one thing wrong must not pass them.

`operators` lists what can go wrong in a file, `swap` puts it into the running library, `checks`
holds what the suite runs on a rule, `equivalent` the changes that change nothing, with reasons.
`../mutants.py` is the command.
"""
