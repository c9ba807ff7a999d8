/// The listening sockets that systemd hands over from socket units, by what they are for.
/// https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
struct ActivatedSockets: Sendable, Equatable {
    /// For the public listener: every socket but those named `admin`.
    var webhooks: [Int32] = []
    /// For the admin listener: sockets of units with `FileDescriptorName=admin`.
    var admin: [Int32] = []

    /// `SD_LISTEN_FDS_START`: they come right after standard input, output and error.
    private static let first: Int32 = 3
    /// More than any sensible unit has; it bounds what a broken variable can ask for.
    private static let most: Int32 = 64

    /// - Parameter processID: this process's own. The variables are inherited by children, to whom they do not apply.
    init(environment: [String: String], processID: Int32) {
        guard environment["LISTEN_PID"] == "\(processID)", let text = environment["LISTEN_FDS"],
            let count = Int32(text), (1...Self.most).contains(count)
        else { return }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        for index in 0..<count {
            let name = names.indices.contains(Int(index)) ? names[Int(index)] : ""
            if name == "admin" { admin.append(Self.first + index) } else { webhooks.append(Self.first + index) }
        }
    }
}
