package import HTTPClient
internal import JSON
internal import Policy
package import Time

/// Seam's API, typed and tolerant: every call is a POST with a JSON body, which works for each route (Seam's
/// API reference). It tries once; whoever calls decides what a failure means.
package struct SeamClient: Sendable {
    /// As much as `JSONValue` reads.
    static let maxResponseBytes = 16_777_216
    static let pageSize = 500
    /// 100,000 devices or access codes.
    static let maxPages = 200

    private let baseURL: String
    private let apiKey: APIKey
    private let transport: any HTTPTransport
    private let timeout: Duration
    private let clock: any WallClock
    private var observer: @Sendable (APICall) -> Void

    /// - Parameters:
    ///   - baseURL: `https://…`, or `http://…` on loopback; a path is kept, a trailing slash dropped.
    ///   - timeout: of each call.
    ///   - clock: for durations and for a `Retry-After` that is a date.
    ///   - observer: told of each call that was made, after it ended; not of one that this side gave up.
    /// - Throws: `SeamConfigurationError` for a base URL that cannot be used.
    package init(
        baseURL: String, apiKey: APIKey, transport: any HTTPTransport, timeout: Duration,
        clock: any WallClock = SystemWallClock(), observer: @escaping @Sendable (APICall) -> Void = { _ in }
    ) throws(SeamConfigurationError) {
        let url: HTTPURL
        do {
            url = try HTTPURL(baseURL)
        } catch {
            throw SeamConfigurationError("seam.base_url: \(error)")
        }
        guard !url.hasQuery, !url.hasFragment, !baseURL.utf8.contains(where: { $0 == 0x3F || $0 == 0x23 }) else {
            throw SeamConfigurationError(
                "seam.base_url: the URL must end before any ? or #, as in https://connect.getseam.com")
        }
        var trimmed = Substring(baseURL)
        while trimmed.utf8.last == UInt8(ascii: "/") { trimmed.removeLast() }
        self.baseURL = String(trimmed)
        self.apiKey = apiKey
        self.transport = transport
        self.timeout = timeout
        self.clock = clock
        self.observer = observer
    }

    func url(of route: String) -> String {
        baseURL + route
    }

    /// This client, with one more that is told of each call.
    package func observing(_ other: @escaping @Sendable (APICall) -> Void) -> SeamClient {
        var client = self
        client.observer = { [observer] call in
            observer(call)
            other(call)
        }
        return client
    }

    /// One call: the response's JSON object, read by `take`, which gives nil where what was asked for is not in it.
    ///
    /// - Parameters:
    ///   - missing: the failure's word for that, such as `missing_access_code`.
    ///   - isRepeatable: false for what must not happen twice.
    func call<Value>(
        _ route: String, _ body: JSONValue, accessCodeID: String? = nil, deviceID: String? = nil,
        isRepeatable: Bool = true,
        missing: String = "not_json", take: (JSONValue) -> Value?
    ) async throws(SeamError) -> Value {
        let started = clock.now()
        let request = ClientRequest(
            method: "POST", url: url(of: route),
            headers: [
                ("Authorization", "Bearer " + apiKey.text), ("Content-Type", "application/json"),
                ("Accept", "application/json"),
            ],
            body: body.bytes, timeout: timeout, maxResponseBytes: Self.maxResponseBytes, isRepeatable: isRepeatable)
        var failure: SeamError
        var record = APICall(
            route: route, outcome: .ok, duration: .zero, accessCodeID: accessCodeID, deviceID: deviceID)
        do throws(ClientError) {
            let response = try await transport.send(request)
            let reading = ResponseReading(response, now: clock.now())
            record.status = reading.status
            record.requestID = reading.requestID
            record.duration = max(.zero, clock.now().duration(since: started))
            switch reading.outcome {
            case .success(let json):
                if let value = take(json) {
                    observer(record)
                    return value
                }
                failure = SeamError(
                    .unavailable(detail: missing, retryAfter: nil), route: route, status: reading.status,
                    requestID: reading.requestID)
            case .failure(let reason):
                failure = SeamError(reason, route: route, status: reading.status, requestID: reading.requestID)
            }
        } catch {
            record.duration = max(.zero, clock.now().duration(since: started))
            failure = SeamError(.unavailable(detail: error.word, retryAfter: nil), route: route, detail: "\(error)")
            switch error {
            // Given up on this side: that says nothing about Seam.
            case .busy, .cancelled: throw failure
            default: break
            }
        }
        record.outcome = APICall.Outcome(failure.failure)
        record.errorType = failure.failure.errorType
        record.retryAfter = failure.failure.retryAfter
        observer(record)
        throw failure
    }

    /// All pages of a list. More than `maxPages`, or a cursor that comes again, is a failure: a list cut short would
    /// pass for a whole one.
    ///
    /// Entries without their identifiers are left out, so absence from a list proves nothing: read the one entry again.
    func list<Value>(
        _ route: String, _ body: JSONValue, key: String, deviceID: String? = nil, decode: (JSONValue) -> Value?
    ) async throws(SeamError) -> [Value] {
        var values: [Value] = []
        var body = body
        body["limit"] = .integer(Int64(Self.pageSize))
        var cursors: Set<String> = []
        for _ in 0..<Self.maxPages {
            let page = try await call(route, body, deviceID: deviceID, missing: "missing_\(key)") { json in
                json[key]?.array.map { (values: $0.compactMap(decode), pagination: json["pagination"]) }
            }
            values += page.values
            guard page.pagination?["has_next_page"]?.bool == true else { return values }
            guard let cursor = page.pagination?["next_page_cursor"]?.string, cursors.insert(cursor).inserted else {
                throw SeamError(.unavailable(detail: "bad_page_cursor", retryAfter: nil), route: route, status: 200)
            }
            body["page_cursor"] = .string(cursor)
        }
        throw SeamError(.unavailable(detail: "too_many_pages", retryAfter: nil), route: route, status: 200)
    }
}

extension SeamClient: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "Seam's API at \(baseURL)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

extension APICall.Outcome {
    init(_ failure: APIFailure) {
        self =
            switch failure {
            case .unauthorized: .unauthorized
            case .notFound: .notFound
            case .rateLimited: .rateLimited
            case .unavailable: .unavailable
            case .refused: .refused
            }
    }
}
