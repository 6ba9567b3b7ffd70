"""What the dashboard mends in other packages, a file for each fault.

Nothing else in the program touches a private name of another package. Each file says which versions it was tried with
(``FOR``) and does nothing to any other; its test fails once the package no longer needs it; the report for its
authors stands under the same name in ``docs/upstream/``.
"""
