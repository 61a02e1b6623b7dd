"""What one message costs when something else grows: a backlog, the partners, its payload, the nodes.

    python -m benchmarks.growth [--only backlog|partners|payload|nodes] [--engine sqlite] [--seconds 6]

backlog    0, 100,000 and 1,000,000 rows wait in the sender's store for later; full path
partners   the same traffic spread over 1, 10 and 50 partners; AS4 layer, the sender's cost
payload    parts of 10 kB, 1 MB and 100 MB; AS4 layer, packing included; also a megabyte's cost
nodes      one and two sending gateways on one PostgreSQL; full path
"""
