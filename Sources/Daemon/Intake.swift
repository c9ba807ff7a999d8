internal import HTTPServer
internal import Ledger
internal import Logging
internal import Signatures
internal import Synchronization
internal import Time

/// Takes Seam's webhooks: verifies the signature over the raw bytes, appends the message to the inbox, and answers 204 once it is
/// committed and synced. Nothing of the body is parsed before the answer.
///
/// Runs on the server's queue, so nothing here blocks; the commit runs on the inbox writer's.
final class Intake: Sendable {
    /// What a reload replaces.
    struct Rules: Sendable {
        var path: [UInt8]
        var verifier: SignatureVerifier
    }

    /// What is needed to answer one message once it is committed.
    struct Ticket: Sendable {
        var responder: Responder
        var arrivedAt: Instant
        var clockSkewSeconds: Int64
    }

    private let rules: Mutex<Rules>
    private let clock: any WallClock
    private let metrics: Metrics
    private let health: Health
    private let part: Pulse.Part
    private let log: Logger
    private let inboxChanged: Wakeup
    private let refused: Wakeup
    private let ledger: Ledger
    private let settlement: Settlement
    private let writer: InboxWriter<Ticket>
    private let refusals: RefusalLog
    let acknowledgements = AckHistory()

    init(
        rules: Rules, ledger: Ledger, clock: any WallClock, metrics: Metrics, health: Health, part: Pulse.Part,
        log: Logger, outage: Outage, lateness: Lateness, inboxChanged: Wakeup, refused: Wakeup
    ) {
        self.rules = Mutex(rules)
        self.clock = clock
        self.metrics = metrics
        self.health = health
        self.part = part
        self.log = log
        refusals = RefusalLog(log: log)
        self.inboxChanged = inboxChanged
        self.refused = refused
        let settlement = Settlement(
            metrics: metrics, health: health, part: part, log: log, outage: outage, lateness: lateness,
            inboxChanged: inboxChanged, refused: refused, clock: clock, acknowledgements: acknowledgements)
        self.ledger = ledger
        self.settlement = settlement
        writer = InboxWriter(ledger: ledger) { settlement.answer($0, $1) }
    }

    func replaceRules(_ new: Rules) {
        rules.withLock { $0 = new }
    }

    /// Refuses what is no webhook before its body is read: another path, another method, an encoded body.
    func admit(_ head: RequestHead) -> Response? {
        guard head.path == rules.withLock({ $0.path }) else { return refusal(404, "not_found") }
        guard head.method == .post else { return refusal(405, "method", headers: [("Allow", "POST")]) }
        // RFC 9110 8.4: the signature is over what was sent, and the sender encodes nothing.
        let isEncoded = head.headers.values("content-encoding").contains { !isIdentity($0) }
        return isEncoded ? refusal(415, "content_encoding") : nil
    }

    func handle(_ request: Request, _ responder: Responder) {
        let arrivedAt = Instant.now
        let now = clock.now()
        var headers = SignatureHeaders()
        for (name, value) in request.headers { headers.add(name: name, value: value) }
        let verifier = rules.withLock { $0.verifier }
        let message: VerifiedMessage
        do {
            message = try verifier.verify(headers: headers, body: request.body.span, now: now.secondsSinceEpoch)
        } catch {
            responder.respond(refuse(error, headers, peer: request.peer, at: arrivedAt))
            return
        }
        refusals.clear()
        let accepted = writer.submit(
            InboxMessage(svixID: message.idText, source: .webhook, receivedAt: now, body: request.body),
            ticket: Ticket(responder: responder, arrivedAt: arrivedAt, clockSkewSeconds: message.clockSkewSeconds),
            isGathering: true)
        if !accepted {
            count("503", "queue_full")
            refused.signal()
            responder.respond(.tryAgain)
        }
    }

    /// Nothing more has arrived: what was gathered is committed together.
    func commit() {
        writer.flush()
    }

    /// Whether webhooks wait for a commit.
    var isBusy: Bool { writer.queuedMessages > 0 }

    /// Beats while nothing waits for a commit; while something does, each commit beats for itself, and one that hangs does not.
    ///
    /// After a failed commit it tries one: readiness and the heartbeat would be withheld until the next webhook, which may be hours
    /// away.
    func probe() async {
        guard writer.isIdle else { return }
        if health.commitsFail, await ledger.canCommit() { settlement.noteSuccess() }
        part.beat(succeeded: !health.commitsFail)
    }

    /// Returns once everything accepted is answered.
    func drain() async {
        await writer.drain()
    }

    /// The caller is told nothing but 401; the log and the metric are told why.
    private func refuse(
        _ failure: VerificationFailure, _ headers: SignatureHeaders, peer: String, at now: Instant
    ) -> Response {
        let reason = failure.reason.rawValue
        var metadata: Logger.Metadata = ["reason": "\(reason)", "detail": "\(failure)", "peer": "\(peer)"]
        if let id = headers.claimedID { metadata["svix_id"] = "\(id)" }
        // It may have been Seam's: the events are looked for at Seam. What has not even a header of Seam's was not.
        if !headers.isEmpty { refused.signal() }
        if failure.reason == .cryptographyFailed {
            count("503", reason)
            log.error("A signature could not be checked", metadata: metadata)
            return .tryAgain
        }
        refusals.note(failure.reason, metadata, at: now)
        return refusal(401, reason)
    }

    private func refusal(_ status: Int, _ reason: String, headers: [(String, String)] = []) -> Response {
        count("\(status)", reason)
        return Response(status, headers: headers)
    }

    private func count(_ result: String, _ reason: String) {
        metrics.countIntake(result, reason)
    }

    private func isIdentity(_ value: ArraySlice<UInt8>) -> Bool {
        let identity = Array("identity".utf8)
        return value.count == identity.count && zip(value, identity).allSatisfy { $0 | 0x20 == $1 }
    }
}

/// Answers all messages of one commit.
private struct Settlement: Sendable {
    let metrics: Metrics
    let health: Health
    let part: Pulse.Part
    let log: Logger
    let outage: Outage
    let lateness: Lateness
    let inboxChanged: Wakeup
    let refused: Wakeup
    let clock: any WallClock
    let acknowledgements: AckHistory

    func answer(_ tickets: [Intake.Ticket], _ outcomes: [AppendOutcome]) {
        let now = Instant.now
        // The answers first, and the counting once for all: this runs between two commits.
        let areTaken = Responder.respond(
            tickets.map(\.responder), outcomes.map { $0.isCommitted ? Response(204) : .tryAgain })
        // What the server had answered itself by then has been counted as that.
        var longest = Duration.zero
        var seconds: [Double] = []
        seconds.reserveCapacity(tickets.count)
        for (ticket, isTaken) in zip(tickets, areTaken) {
            let wait = ticket.arrivedAt.duration(to: now)
            longest = max(longest, wait)
            if isTaken { seconds.append(wait.inSeconds) }
        }
        metrics.observeAcknowledgements(seconds: seconds)
        acknowledgements.note(seconds: seconds, at: clock.now())
        if let last = tickets.last {
            health.noteClockSkew(seconds: last.clockSkewSeconds)
            metrics.set(
                "sparekey_clock_skew_seconds", to: Double(last.clockSkewSeconds),
                help: "This clock's time less the last authentic webhook's.")
        }
        var counts = (stored: 0, repeated: 0)
        for (outcome, isTaken) in zip(outcomes, areTaken) where isTaken {
            switch outcome {
            case .stored: counts.stored += 1
            case .repeated: counts.repeated += 1
            case .failed(let error): metrics.countIntake("503", error.code.rawValue)
            }
        }
        if counts.stored > 0 { metrics.countIntake("204", "stored", counts.stored) }
        if counts.repeated > 0 { metrics.countIntake("204", "repeated", counts.repeated) }
        let failure: LedgerError? =
            switch outcomes.first {
            case .failed(let error): error
            default: nil
            }
        if let failure {
            if outage.begins("intake") {
                log.critical(
                    "Webhooks cannot be committed; Seam is told to try again", metadata: ["error": "\(failure)"])
            }
            refused.signal()
            health.noteCommit(failure: failure)
        } else {
            // What had to wait for an outage to pass is late for that, and the log has said so.
            if !health.commitsFail { lateness.note(longest, at: now) }
            noteSuccess()
        }
        part.beat(succeeded: failure == nil)
        inboxChanged.signal()
    }

    func noteSuccess() {
        if health.commitsFail { log.notice("Webhooks are committed again") }
        health.noteCommit(failure: nil)
        outage.ended("intake")
    }
}

extension Response {
    /// The sender's next attempts are after 5 s, 5 min and 30 min, so it is asked for the soonest.
    static let tryAgain = Response(503, headers: [("Retry-After", "5")])
}

extension Metrics {
    func countIntake(_ result: String, _ reason: String, _ count: Int = 1) {
        add(
            Double(count), to: "sparekey_intake_requests_total", [("result", result), ("reason", reason)],
            help: "Requests to the public listener by answer and reason.")
    }
}
