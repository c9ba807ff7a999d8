internal import HTTPServer
internal import Logging

extension Metrics {
    func count(_ event: ServerEvent, listener: String, log: Logger) {
        switch event {
        case .refused(let status, let reason):
            countRefusal(status, reason, listener)
        case .connectionOpened:
            add(to: "sparekey_http_connections_total", [("listener", listener)], help: "Connections accepted.")
        case .acceptPaused(let code):
            log.error(
                "Short of descriptors or memory: idle connections give way to new ones",
                metadata: ["listener": "\(listener)", "errno": "\(code)"])
        case .acceptResumed:
            log.notice("There are enough descriptors again", metadata: ["listener": "\(listener)"])
        case .responseTimedOut:
            if listener == "public" {
                countIntake("503", "response_timeout")
            } else {
                countRefusal(503, "response_timeout", listener)
            }
        case .wireFailed: countEnd("tls", listener)
        case .writeTimedOut: countEnd("write_timeout", listener)
        case .connectionReset: countEnd("reset", listener)
        case .evictedIdle: countEnd("evicted", listener)
        case .connectionRefused: countEnd("no_room", listener)
        case .addressRefused: countEnd("address", listener)
        case .connectionClosed: break
        }
    }

    private func countRefusal(_ status: Int, _ reason: String, _ listener: String) {
        add(
            to: "sparekey_http_refused_total",
            [("listener", listener), ("status", "\(status)"), ("reason", reason)],
            help: "Requests and connections that the HTTP server refused.")
    }

    private func countEnd(_ reason: String, _ listener: String) {
        add(
            to: "sparekey_http_connections_broken_total", [("listener", listener), ("reason", reason)],
            help: "Connections that ended before their time.")
    }
}
