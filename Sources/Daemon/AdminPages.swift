internal import Crypto
internal import Delivery
internal import HTTPServer
internal import JSON
internal import Ledger
internal import Policy
internal import Settings
internal import Synchronization
internal import Time

/// The admin listener: health, metrics, the status page, and the API for whoever claims and acknowledges deliveries.
final class AdminPages: Sendable {
    private let ledger: Ledger
    private let clock: any WallClock
    private let metrics: Metrics
    private let health: Health
    private let token: [UInt8]?
    private let delivery: Mutex<Settings.Delivery>
    private let logMetrics: LogMetrics
    private let acknowledgements: AckHistory
    /// What the status page says of the daemon itself.
    private let facts: @Sendable () -> StatusPage.Facts

    init(
        ledger: Ledger, clock: any WallClock, metrics: Metrics, health: Health, token: String?,
        delivery: Settings.Delivery, acknowledgements: AckHistory, facts: @escaping @Sendable () -> StatusPage.Facts
    ) throws {
        self.ledger = ledger
        self.clock = clock
        self.metrics = metrics
        self.health = health
        self.token = token.map { Array($0.utf8) }
        self.delivery = Mutex(delivery)
        logMetrics = try LogMetrics(ledger: ledger, metrics: metrics, clock: clock)
        self.acknowledgements = acknowledgements
        self.facts = facts
    }

    /// What a reload changes.
    func replace(_ delivery: Settings.Delivery) {
        self.delivery.withLock { $0 = delivery }
    }

    func handle(_ request: Request, _ responder: Responder) {
        let path = String(decoding: request.path, as: UTF8.self)
        // The server sends no content to a HEAD.
        let method = request.method == .head ? .get : request.method
        // What needs no ledger is answered at once, however busy everything else is.
        if let answer = immediateAnswer(method, path, request) {
            responder.respond(answer)
            return
        }
        // The ledger is asked on its own queues; the server's queue goes on meanwhile.
        Task {
            do {
                responder.respond(try await answer(method, path))
            } catch {
                responder.respond(.json(503, ["error": "database", "detail": .string("\(error)")]))
            }
        }
    }

    private func immediateAnswer(_ method: Request.Method, _ path: String, _ request: Request) -> Response? {
        switch (method, path) {
        case (.get, "/healthz"): return .text(200, "ok\n")
        case (.get, "/readyz"): return readiness()
        case (.get, "/metrics"), (.get, "/"): return nil
        default: break
        }
        guard path.hasPrefix("/api/") else { return .json(404, ["error": "not_found"]) }
        guard isAuthorized(request) else {
            return Response(401, headers: [("WWW-Authenticate", "Bearer"), ("Cache-Control", "no-store")])
        }
        return nil
    }

    private func answer(_ method: Request.Method, _ path: String) async throws -> Response {
        switch path {
        case "/metrics": await metricsText()
        case "/": await statusPage()
        default: try await api(method, path)
        }
    }

    private func api(_ method: Request.Method, _ path: String) async throws -> Response {
        let claim = "/api/deliveries/claim"
        let delivery = delivery.withLock { $0 }
        switch (method, path) {
        case (.get, "/api/substitutions"): return .json(200, .array(try await ledger.substitutionLog(limit: 1000)))
        case (.get, "/api/deliveries"): return .json(200, .array(try await ledger.deliveryLog(limit: 1000)))
        case (.post, claim):
            let (now, lease) = (clock.now(), delivery.claimLease)
            guard let claimed = try await ledger.claimManualDelivery(now: now, lease: lease) else {
                return Response(204)
            }
            return .json(200, DeliveryMessage(claimed, texts: delivery.texts).json)
        default: break
        }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard method == .post, parts.count == 5, parts[2] == "deliveries", parts[4] == "ack" else {
            return .json(404, ["error": "not_found"])
        }
        let acknowledged = try await ledger.acknowledgeDelivery(
            String(parts[3]), plan: delivery.plan, now: clock.now())
        return acknowledged ? Response(204) : .json(404, ["error": "delivery_not_found"])
    }

    /// Without a token the API answers nobody.
    private func isAuthorized(_ request: Request) -> Bool {
        // RFC 9110, 11.1: the scheme in whatever letters.
        let prefix = "bearer "
        let values = request.headers.values("authorization")
        guard let token, values.count == 1,
            String(decoding: values[0].prefix(prefix.utf8.count), as: UTF8.self).lowercased() == prefix
        else { return false }
        let presented = Array(values[0].dropFirst(prefix.utf8.count))
        return constantTimeEquals(presented.span, token.span)
    }

    private func readiness() -> Response {
        let report = health.report()
        return .json(report.isReady ? 200 : 503, report.json)
    }

    private func metricsText() async -> Response {
        await logMetrics.update(health: health)
        return Response(
            200, headers: [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")],
            body: Array(metrics.text().utf8))
    }

    /// 503 where the log cannot be read: a browser shows the page all the same, and no monitor takes it for well.
    private func statusPage() async -> Response {
        var page = StatusPage(
            overview: Overview(now: clock.now()), substitutions: [], report: health.report(),
            acknowledgements: acknowledgements.hours, facts: facts())
        do {
            page.overview = try await ledger.overview(now: page.now)
            page.substitutions = try await ledger.substitutionLog(limit: 20)
        } catch {
            page.logFailure = "\(error)"
        }
        return Response(
            page.logFailure == nil ? 200 : 503,
            headers: [
                ("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"),
                ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
                ("Referrer-Policy", "no-referrer"), ("X-Content-Type-Options", "nosniff"),
            ], body: Array(page.html.utf8))
    }
}

extension Response {
    static func json(_ status: Int, _ value: JSONValue) -> Response {
        Response(
            status, headers: [("Content-Type", "application/json"), ("Cache-Control", "no-store")], body: value.bytes)
    }

    static func text(_ status: Int, _ text: String) -> Response {
        Response(status, headers: [("Content-Type", "text/plain; charset=utf-8")], body: Array(text.utf8))
    }
}
