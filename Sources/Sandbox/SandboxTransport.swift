package import HTTPClient
package import Time

/// The simulated Seam in process: what a client sends is answered without a socket, and each effect becomes the error that
/// libcurl would report. With a clock, an answer that comes late is waited for on it; without one nothing waits.
package struct SandboxTransport: HTTPTransport {
    private static let endpoint = "sandbox"
    private let api: SandboxAPI
    private let clock: (any WallClock)?

    package init(model: SandboxModel, clock: (any WallClock)? = nil) {
        api = SandboxAPI(model: model)
        self.clock = clock
    }

    package func send(_ request: ClientRequest) async throws(ClientError) -> ClientResponse {
        guard !Task.isCancelled else { throw .cancelled }
        let answer = api.handle(try Self.request(request))
        switch answer.effect {
        case .answer: break
        case .drop:
            try await wait(request.timeout)
            throw .timeout(endpoint: Self.endpoint, reason: "no complete answer")
        case .reset:
            throw .connectionBroken(endpoint: Self.endpoint, reason: "connection reset by peer")
        case .drip(let interval): try await wait(interval * answer.body.count, within: request.timeout)
        case .delay(let delay): try await wait(delay, within: request.timeout)
        }
        guard answer.body.count <= request.maxResponseBytes else {
            throw .tooLarge(endpoint: Self.endpoint, limitBytes: request.maxResponseBytes)
        }
        return ClientResponse(status: answer.status, headers: answer.headers, body: answer.body)
    }

    private func wait(_ duration: Duration, within limit: Duration) async throws(ClientError) {
        try await wait(min(duration, limit))
        if duration > limit { throw .timeout(endpoint: Self.endpoint, reason: "no complete answer") }
    }

    private func wait(_ duration: Duration) async throws(ClientError) {
        do { try await clock?.sleep(for: duration) } catch { throw .cancelled }
    }

    private static func lowercased(_ name: String) -> String {
        String(decoding: name.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
    }

    private static func request(_ request: ClientRequest) throws(ClientError) -> SandboxRequest {
        guard let scheme = request.url.firstRange(of: "://") else { throw .invalidURL(reason: "is not absolute") }
        let rest = request.url[scheme.upperBound...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let target = rest[slash...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var headers = request.headers.map { (name: lowercased($0.0), value: $0.1) }
        headers.append(("host", String(rest[..<slash])))
        return SandboxRequest(
            method: request.method, path: target.first.map(String.init) ?? "/",
            query: target.count > 1 ? String(target[1]) : nil, headers: headers, body: request.body ?? [],
            scheme: String(request.url[..<scheme.lowerBound]))
    }
}
