"""What runs inside: the launcher and the processes that it forks. Standard library only, and no more of it than needed.

Started with ``python -I -S -B``, without any of our environment; it never sees a credential, and of a job only what
the job itself may see.
"""
