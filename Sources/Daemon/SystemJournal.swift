internal import Glibc

/// systemd's journal, spoken to in its own protocol, so that every field of a line can be searched for:
/// `journalctl SPAREKEY_ACCESS_CODE_ID=…`. https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
struct SystemJournal: Sendable {
    private static let path = "/run/systemd/journal/socket"

    private let descriptor: Int32

    /// Nil unless the journal reads this process's standard error: then what is written there elsewhere is not hidden in it.
    init?(stream: String?) {
        guard Self.isStandardError(stream) else { return nil }
        self.init(path: Self.path)
    }

    /// Whether standard error is what the service manager connected, and has not been led elsewhere since.
    ///
    /// - Parameter stream: `$JOURNAL_STREAM`, device and inode of what it connected.
    static func isStandardError(_ stream: String?) -> Bool {
        var status = stat()
        guard let stream, fstat(2, &status) == 0 else { return false }
        return stream == "\(status.st_dev):\(status.st_ino)"
    }

    /// Nil where nobody listens at `path`.
    init?(path: String) {
        var address = sockaddr_un()
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
        }
        guard connected == 0 else {
            close(descriptor)
            return nil
        }
    }

    /// Blocks while the journal is slow.
    ///
    /// - Returns: false when the entry was not taken: it is too large, or the journal has gone.
    func send(_ entry: [UInt8]) -> Bool {
        while true {
            if Glibc.send(descriptor, entry, entry.count, Int32(MSG_NOSIGNAL)) >= 0 { return true }
            if errno != EINTR { return false }
        }
    }

    /// - Parameters:
    ///   - priority: syslog's, 0 to 7.
    ///   - message: what `journalctl` shows.
    ///   - fields: kept under `SPAREKEY_` and the name in capitals.
    static func entry(priority: Int, message: String, fields: [(String, String)]) -> [UInt8] {
        var bytes: [UInt8] = []
        append("PRIORITY", "\(priority)", to: &bytes)
        append("SYSLOG_IDENTIFIER", "sparekey", to: &bytes)
        append("MESSAGE", message, to: &bytes)
        for (name, value) in fields { append("SPAREKEY_" + name.uppercased(), value, to: &bytes) }
        return bytes
    }

    /// A value with a line's end in it goes with its length, as 64 bits, the least significant byte first.
    private static func append(_ name: String, _ value: String, to bytes: inout [UInt8]) {
        bytes += name.utf8
        if value.utf8.contains(0x0A) {
            bytes.append(0x0A)
            withUnsafeBytes(of: UInt64(value.utf8.count).littleEndian) { bytes += $0 }
        } else {
            bytes.append(UInt8(ascii: "="))
        }
        bytes += value.utf8
        bytes.append(0x0A)
    }
}
