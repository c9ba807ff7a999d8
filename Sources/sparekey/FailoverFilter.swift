internal import ArgumentParser
internal import Ledger
internal import Policy
internal import Presentation
internal import Time

/// The options that narrow a list of failovers.
struct FailoverFilter: ParsableArguments {
    @Option(
        help: ArgumentHelp("Only failovers opened at this time or later.", valueName: "time"), transform: Self.time)
    var since: TimeArgument?

    @Option(help: ArgumentHelp("Only failovers opened before this time.", valueName: "time"), transform: Self.time)
    var until: TimeArgument?

    @Option(help: ArgumentHelp("Only failovers of this lock.", valueName: "device id"))
    var device: String?

    @Option(help: "Only failovers in this state.")
    var state: FailoverState?

    @Option(help: "Only failovers with this reason, such as pool_empty.")
    var reason: String?

    static let times = """
        A time is ISO 8601 (2026-11-20T16:20:00Z, 2026-11-20T16:20 or 2026-11-20; in this machine's zone where it names no \
        offset) or a duration back from now (24h, 7d); it is compared with the time at which a failover was opened.
        """

    var isEmpty: Bool { since == nil && until == nil && device == nil && state == nil && reason == nil }

    /// - Parameter zone: of times that name no offset.
    func query(now: Timestamp, zone: ShownZone) -> FailoverLogQuery {
        FailoverLogQuery(
            since: since?.instant(now: now, zone: zone), until: until?.instant(now: now, zone: zone), deviceID: device,
            state: state, reason: reason)
    }

    /// For the command to call, which knows the zone: an option group is validated alone.
    func validate(zone: ShownZone) throws {
        let query = query(now: SystemWallClock().now(), zone: zone)
        if let since = query.since, let until = query.until, since >= until {
            throw ValidationError("--since must be before --until.")
        }
    }

    private static func time(_ text: String) throws -> TimeArgument {
        guard let time = TimeArgument(text) else {
            throw ValidationError("It is neither a time such as 2026-11-20T16:20 nor a duration such as 24h.")
        }
        return time
    }
}

extension FailoverState: ExpressibleByArgument {}
