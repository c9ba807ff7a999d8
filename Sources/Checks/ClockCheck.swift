package import HTTPClient
package import Time

/// Whether this machine's clock agrees with Seam's: webhooks older or newer than `webhook.tolerance` are refused.
package struct ClockCheck: Check {
    /// HTTP's dates have whole seconds, and the answer takes a while.
    private static let unremarkable: Duration = .seconds(10)

    private let baseURL: String
    private let transport: any HTTPTransport
    private let clock: any WallClock
    private let tolerance: Duration
    private let timeout: Duration

    package init(
        baseURL: String, transport: any HTTPTransport, clock: any WallClock, tolerance: Duration, timeout: Duration
    ) {
        self.baseURL = baseURL
        self.transport = transport
        self.clock = clock
        self.tolerance = tolerance
        self.timeout = timeout
    }

    package func findings() async -> [CheckFinding] {
        var url = baseURL[...]
        while url.utf8.last == UInt8(ascii: "/") { url.removeLast() }
        // Any answer has the time; this needs no key.
        let request = ClientRequest(method: "GET", url: url + "/health", timeout: timeout)
        let before = clock.now()
        guard let response = try? await transport.send(request) else {
            return [skipped("Seam did not answer.")]
        }
        guard let theirs = response.date else { return [skipped("Seam's answer has no Date.")] }
        let after = clock.now()
        // Neither end of the exchange is taken for the time at which Seam read its clock.
        let skew: Duration =
            theirs < before ? before.duration(since: theirs) : theirs > after ? theirs.duration(since: after) : .zero
        guard skew > Self.unremarkable else {
            return [CheckFinding("clock.ok", .ok, "The clock agrees with Seam's")]
        }
        let side = theirs < before ? "ahead of" : "behind"
        let refused = skew >= tolerance
        return [
            CheckFinding(
                "clock.skew", refused ? .error : .warning,
                "The clock is \(skew.components.seconds) s \(side) Seam's",
                detail: refused
                    ? "That is more than webhook.tolerance (\(tolerance.configured)): every webhook is refused."
                    : "Webhooks are refused from \(tolerance.configured) on (webhook.tolerance).",
                fix: "Let the machine keep its time: timedatectl set-ntp true")
        ]
    }

    private func skipped(_ why: String) -> CheckFinding {
        CheckFinding("clock.unknown", .ok, "The clock was not compared", detail: why)
    }
}
