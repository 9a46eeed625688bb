"""What the executor for Ray is made of: the connection to a cluster, the actors that evaluate on its nodes,
and the copies of the driver's files that these read.

To change what actors do, see `actors`; how nodes get the data, `copies`; how a cluster is found and noticed
to be gone, `connection`. May not be imported here: the package ray, before a cluster is asked for.
"""
