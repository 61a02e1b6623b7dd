"""Makes `asw-gateway` known to twistd and twist. Imports nothing of ours: every twistd start reads this."""

from twisted.application.service import ServiceMaker

asw_gateway = ServiceMaker(
    "asw_gateway",
    "asw_gateway.tap",
    "A store-and-forward gateway between a National Single Window and its partners.",
    "asw-gateway",
)
