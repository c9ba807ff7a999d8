internal import JSON
internal import Time

/// A request as it came, whichever way.
package struct SandboxRequest: Sendable {
    package var method: String
    package var path: String
    /// Raw, without its `?`.
    package var query: String?
    /// Names in lower case.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// From this machine: only then `/sandbox/…` is there.
    package var isLocal: Bool
    /// `http` or `https`.
    package var scheme: String

    package init(
        method: String, path: String, query: String? = nil, headers: [(name: String, value: String)] = [],
        body: [UInt8] = [], isLocal: Bool = true, scheme: String = "http"
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.isLocal = isLocal
        self.scheme = scheme
    }

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// The simulated Seam's HTTP face: a request in, an answer and how to carry it out.
package struct SandboxAPI: Sendable {
    package let model: SandboxModel

    package init(model: SandboxModel) {
        self.model = model
    }

    /// Does what is due by the clock, then what the request asks for, as one step.
    package func handle(_ request: SandboxRequest) -> SandboxAnswer {
        model.withState { state, now in
            let requestID = state.random.uuid()
            var answer: SandboxAnswer
            do throws(SandboxError) {
                answer = try Self.answer(request, &state, now: now, requestID: requestID)
            } catch {
                answer = error.answer(requestID: requestID)
                if error.status == 405 { answer.headers.append(("allow", error.data?["allow"]?.string ?? "POST")) }
            }
            answer.headers.append(("seam-request-id", requestID))
            answer.headers.append(("date", now.httpDate))
            return answer
        }
    }

    private static func answer(
        _ request: SandboxRequest, _ state: inout SandboxState, now: Timestamp, requestID: String
    ) throws(SandboxError) -> SandboxAnswer {
        guard let route = SandboxRoute.all[request.path], !route.isControl || request.isLocal else {
            state.counters.requests["other", default: 0] += 1
            throw SandboxError(404, "not_found", "There is no such route")
        }
        state.counters.requests[route.path, default: 0] += 1
        let query = SandboxQuery(request.method == "GET" || request.method == "DELETE" ? request.query : nil)
        let body = Result { () throws(SandboxError) in try Self.body(of: request) }
        let accessCodeID = (try? body.get())?["access_code_id"]?.string ?? query.value("access_code_id")
        if request.path == "/access_codes/pull_backup_access_code", let accessCodeID {
            state.counters.pulls[accessCodeID, default: 0] += 1
        }
        let faults = route.isControl ? [] : state.takeFaults(route: route.path, accessCodeID: accessCodeID)
        if let instead = faults.first(where: \.isInstead) { return try answer(instead, requestID: requestID) }

        guard route.methods.contains(request.method) else {
            let methods = route.methods.joined(separator: ", ")
            throw SandboxError(405, "method_not_allowed", "only \(methods) accepted", data: ["allow": .string(methods)])
        }
        if route.needsKey { try authorize(request, key: state.options.apiKey) }
        let parameters = try SandboxInput(
            route.parameters, query: query, body: try body.get(), path: route.path,
            origin: "\(request.scheme)://\(request.header("host") ?? "localhost")", now: now)
        var json = try route.handler(&state, parameters)
        json["ok"] = true
        return answer(json, faults, &state)
    }

    /// API keys only: personal access tokens, client sessions and publishable keys have other prefixes, and JWTs none.
    private static func authorize(_ request: SandboxRequest, key: String?) throws(SandboxError) {
        guard let header = request.header("authorization"), header.hasPrefix("Bearer ") else {
            throw SandboxError(401, "unauthorized", "No authentication methods succeeded")
        }
        let token = String(header.dropFirst(7))
        let isKey = token.hasPrefix("seam_") && token.utf8.count > 5
        let isOther = ["seam_at", "seam_cst", "seam_pk"].contains(where: token.hasPrefix)
        guard key.map({ $0 == token }) ?? (isKey && !isOther) else {
            throw SandboxError(401, "unauthorized", "API Key not found")
        }
    }

    private static func body(of request: SandboxRequest) throws(SandboxError) -> JSONValue {
        guard request.method != "GET", !request.body.isEmpty else { return [:] }
        guard let type = request.header("content-type"), type.hasPrefix("application/json") else {
            throw SandboxError(
                400, "invalid_content_type", "\(request.method) requests must have Content-Type application/json")
        }
        do throws(JSONError) {
            let json = try JSONValue(parsing: request.body, maximumBytes: 1_048_576)
            if json.members != nil { return json }
        } catch {}
        throw SandboxError(400, "invalid_input", "The body is not a JSON object", validationErrors: ["_errors": []])
    }
}
