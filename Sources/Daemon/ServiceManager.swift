internal import Dispatch
internal import Glibc

/// Tells systemd how the daemon is: one datagram to `$NOTIFY_SOCKET`. Does nothing where that is not set.
/// https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
struct ServiceManager: Sendable {
    private let socketPath: String?
    /// How often systemd wants to hear of this process (`WatchdogSec=`); nil where it does not ask.
    /// https://www.freedesktop.org/software/systemd/man/latest/sd_watchdog_enabled.html
    let watchdogTimeout: Duration?
    /// Where systemd, its queue being full, is waited for: on a thread that is not one of Swift's cooperative pool. In order.
    private let sendings = DispatchQueue(label: "sparekey.service-manager")

    private static let patienceSeconds = 5

    /// - Parameter processID: this process's own. What is asked of another process, a child's parent, is not asked of this one.
    init(environment: [String: String], processID: Int32) {
        socketPath = environment["NOTIFY_SOCKET"]
        let isForUs = environment["WATCHDOG_PID"].map { $0 == "\(processID)" } ?? true
        let microseconds = isForUs ? environment["WATCHDOG_USEC"].flatMap { Int64($0) } : nil
        watchdogTimeout = microseconds.flatMap { $0 > 0 ? .microseconds($0) : nil }
    }

    func notifyReady(status: String) {
        sendInTime("READY=1\n" + Self.statusLine(status))
    }

    /// A reload is under way until `notifyReady`.
    func notifyReloading() {
        sendInTime("RELOADING=1\n" + Self.statusLine("Loading the configuration anew"))
    }

    func notifyStatus(_ status: String) {
        sendInTime(Self.statusLine(status))
    }

    func notifyStopping() {
        sendInTime("STOPPING=1\n" + Self.statusLine("Answering what was read, then stopping"))
    }

    /// All is well: systemd need not start the daemon anew. Where its queue is full it has enough to read.
    func feedWatchdog() {
        send("WATCHDOG=1", waiting: false)
    }

    /// A variable ends with its line.
    private static func statusLine(_ text: String) -> String {
        "STATUS=" + String(text.map { $0.isNewline ? " " : $0 })
    }

    private func sendInTime(_ text: String) {
        guard socketPath != nil else { return }
        sendings.async { send(text, waiting: true) }
    }

    /// - Parameter waiting: for room in systemd's queue, five seconds at the most; without it nothing is sent where there is none.
    private func send(_ text: String, waiting: Bool) {
        guard let socketPath else { return }
        var path = Array(socketPath.utf8)
        var address = sockaddr_un()
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard let first = path.first, first == UInt8(ascii: "/") || first == UInt8(ascii: "@"), path.count < capacity
        else {
            return
        }
        // A leading @ names a socket of the abstract namespace, whose first byte is NUL.
        if first == UInt8(ascii: "@") { path[0] = 0 }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let flags = Int32(MSG_NOSIGNAL) | (waiting ? 0 : Int32(MSG_DONTWAIT))
        let bytes = Array(text.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { socketAddress in
                _ = sendto(descriptor, bytes, bytes.count, flags, socketAddress, length)
            }
        }
    }
}
