internal import Dispatch
internal import Glibc
internal import HTTPServer
package import Settings

/// Whether both listeners can have their ports, or the daemon that runs has them.
package struct ListenCheck: Check {
    private let settings: Settings

    /// What there is to say of one port.
    private enum Verdict {
        case free
        /// The daemon has it.
        case had
        /// A socket unit has it for the daemon.
        case held(SocketUnits.Socket)
        /// Root has it, and this user may not know for whom.
        case unseen
        case wrong(CheckFinding)
    }

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
        let verdicts = [
            ("listen", settings.listen.host, settings.listen.port), ("admin", settings.admin.host, settings.admin.port),
        ]
        .map { section, host, port in (key: "\(section).port \(port)", judge(section, host, port, daemon: daemon)) }
        let wrong = verdicts.compactMap { if case .wrong(let finding) = $0.1 { finding } else { nil } }
        if !wrong.isEmpty { return wrong }
        let unseen = verdicts.compactMap { if case .unseen = $0.1 { $0.key } else { nil } }
        if !unseen.isEmpty {
            return [
                CheckFinding(
                    "listen.unknown", .ok, "Whose the ports are was not seen",
                    detail: "\(unseen.joined(separator: ", ")): a socket unit's or another program's; ask as root.")
            ]
        }
        let held = verdicts.compactMap { key, verdict in
            if case .held(let socket) = verdict { "\(socket.unit) holds \(key)" } else { nil }
        }
        if let daemon {
            return [
                CheckFinding(
                    "listen.ok", .ok, "The daemon runs and has its ports",
                    detail: (["process \(daemon)"] + held).joined(separator: "; "))
            ]
        }
        return [
            CheckFinding(
                "listen.ok", .ok, "Both ports are \(held.isEmpty ? "free" : "kept") for the daemon, which does not run",
                detail: held.joined(separator: "; "))
        ]
    }

    private func judge(_ section: String, _ host: String, _ port: Int, daemon: Int32?) -> Verdict {
        guard let refusal = ListenProbe.refusal(host: host, port: port) else { return .free }
        return switch (refusal.what, refusal.errno) {
        case (.bind, EADDRINUSE): whose(section, host, port, daemon: daemon)
        case (.bind, EACCES):
            .wrong(
                CheckFinding(
                    "\(section).port_forbidden", .error, "\(section).port \(port) is not for this user",
                    detail: "\(host): ports below 1024 need a capability.",
                    fix: "Set \(section).port to 1024 or more, or give the service CAP_NET_BIND_SERVICE."))
        default:
            .wrong(
                CheckFinding(
                    "\(section).host", .error, "\(section).host is no address of this machine",
                    detail: "\(host): \(refusal.hint).",
                    fix: "Set \(section).host to one of its addresses (ip address), 0.0.0.0 or 127.0.0.1."))
        }
    }

    /// Whose a port is that cannot be had: the daemon's own, a socket unit's, or that of a program that is in the way.
    private func whose(_ section: String, _ host: String, _ port: Int, daemon: Int32?) -> Verdict {
        func taken(_ who: String, fix: String) -> Verdict {
            .wrong(
                CheckFinding(
                    "\(section).port_taken", .error, "\(section).port \(port) is taken", detail: "\(host): \(who).",
                    fix: "\(fix), or set \(section).port to another port."))
        }
        let holder = DaemonPresence.listener(port: port)
        if let holder, holder.processID == daemon { return .had }
        // What root listens on only root sees; systemd tells what it holds, and for whom, over the system's bus.
        if holder == nil || holder?.program == "systemd" {
            if let socket = SocketUnits.ofThisMachine().socket(port: port) {
                if socket.isFor(settings.unit) { return .held(socket) }
                let services = socket.services.joined(separator: " and ")
                return taken(
                    "\(socket.unit) listens there for \(services)",
                    fix: "Stop that unit (systemctl disable --now \(socket.unit))")
            }
            if holder != nil || daemon != nil { return .had }
            if DaemonPresence.isRoots(port: port) { return .unseen }
        }
        let who =
            holder.map { "\($0.program), process \($0.processID), listens there" } ?? "another program listens there"
        return taken(who, fix: "Stop that program (ss -ltnp shows it)")
    }
}
