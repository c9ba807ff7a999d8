internal import Dispatch
internal import HTTPServer
package import Settings

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Whether both listeners can have their ports, or the daemon that runs has them.
package struct ListenCheck: Check {
    private let settings: Settings

    package init(settings: Settings) {
        self.settings = settings
    }

    package func findings() async -> [CheckFinding] {
        await withCheckedContinuation { continuation in
            // A name as host is resolved, which blocks.
            DispatchQueue.global().async { continuation.resume(returning: look()) }
        }
    }

    private func look() -> [CheckFinding] {
        let daemon = DaemonPresence.processID(databasePath: settings.database.path)
        let wrong = [
            ("listen", settings.listen.host, settings.listen.port), ("admin", settings.admin.host, settings.admin.port),
        ]
        .compactMap { section, host, port in judge(section, host, port, daemon: daemon) }
        if !wrong.isEmpty { return wrong }
        return [
            daemon.map { CheckFinding("listen.ok", .ok, "The daemon runs and has its ports", detail: "process \($0)") }
                ?? CheckFinding("listen.ok", .ok, "Both ports are free for the daemon, which does not run")
        ]
    }

    private func judge(_ section: String, _ host: String, _ port: Int, daemon: Int32?) -> CheckFinding? {
        guard let refusal = ListenProbe.refusal(host: host, port: port) else { return nil }
        switch (refusal.what, refusal.errno) {
        case (.bind, EADDRINUSE):
            let holder = DaemonPresence.listener(port: port)
            // The daemon's own; or systemd's, which listens for it.
            if let holder, holder.processID == 1 || holder.processID == daemon { return nil }
            if holder == nil, daemon != nil { return nil }
            let who =
                holder.map { "\($0.program), process \($0.processID), listens there" }
                ?? "another program listens there"
            return CheckFinding(
                "\(section).port_taken", .error, "\(section).port \(port) is taken", detail: "\(host): \(who).",
                fix: "Stop that program (ss -ltnp shows it), or set \(section).port to another port.")
        case (.bind, EACCES):
            return CheckFinding(
                "\(section).port_forbidden", .error, "\(section).port \(port) is not for this user",
                detail: "\(host): ports below 1024 need a capability.",
                fix: "Set \(section).port to 1024 or more, or give the service CAP_NET_BIND_SERVICE.")
        default:
            return CheckFinding(
                "\(section).host", .error, "\(section).host is no address of this machine",
                detail: "\(host): \(refusal.hint).",
                fix: "Set \(section).host to one of its addresses (ip address), 0.0.0.0 or 127.0.0.1.")
        }
    }
}
