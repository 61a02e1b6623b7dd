"""Time: what is due, once over all nodes.

schedule   the Twisted service: looks for due jobs, leases, runs and renews them
duties     the jobs: time to live, lease rescue, parking, orphans, gauges, certificates, revocation
"""

from asw_gateway.schedule.duties import Duties
from asw_gateway.schedule.schedule import Job, Schedule

__all__ = ["Duties", "Job", "Schedule"]
