internal import HTTPClient

/// A dead man's switch: a URL of a service that raises the alarm when it has not been called for a while. The URL is a secret of
/// its kind and stays out of every log line.
struct Heartbeat: Sendable {
    enum Result: String, Sendable {
        case ok, failed, withheld
    }

    let url: String
    let interval: Duration
    let transport: any HTTPTransport

    /// - Returns: what went wrong; nil when the service has taken note.
    func send() async -> String? {
        var request = ClientRequest(
            method: "GET", url: url, timeout: min(interval, .seconds(10)), maxResponseBytes: 4096)
        request.cutsResponse = true
        do {
            let response = try await transport.send(request)
            return (200..<300).contains(response.status) ? nil : "http_\(response.status)"
        } catch {
            return error.word
        }
    }
}
