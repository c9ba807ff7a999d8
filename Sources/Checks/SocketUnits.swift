internal import Glibc

/// The sockets that systemd listens on for services, which anybody may ask it for.
struct SocketUnits: Sendable {
    struct Socket: Sendable, Equatable {
        /// `[::]:8443`, `127.0.0.1:9464`, a path.
        var address: String
        var unit: String
        var services: [String]
    }

    let sockets: [Socket]

    /// - Parameter listing: what `systemctl list-sockets --no-legend` prints: address, unit, services with commas between them.
    init(listing: String) {
        sockets = listing.split(separator: "\n").compactMap { line in
            let fields = line.split { $0 == " " || $0 == "," }.map(String.init)
            guard let unit = fields.firstIndex(where: { $0.hasSuffix(".socket") }), unit > 0 else { return nil }
            return Socket(
                address: fields[..<unit].joined(separator: " "), unit: fields[unit],
                services: Array(fields[(unit + 1)...]))
        }
    }

    /// Those of this machine; none where systemd does not run, or does not answer. Blocks.
    static func ofThisMachine() -> SocketUnits {
        let command = "timeout 10 systemctl list-sockets --no-legend --no-pager --full --plain 2>/dev/null </dev/null"
        guard let pipe = popen(command, "r") else { return SocketUnits(listing: "") }
        defer { pclose(pipe) }
        return SocketUnits(listing: String(readingToEndOf: pipe))
    }

    /// Whose the port is; nil where it is no socket unit's.
    func socket(port: Int) -> Socket? {
        sockets.first { $0.address.utf8.first != UInt8(ascii: "/") && $0.address.hasSuffix(":\(port)") }
    }
}

extension SocketUnits.Socket {
    /// - Parameter unit: the service's name without its suffix; nil for any of Sparekey's.
    func isFor(_ unit: String?) -> Bool {
        services.contains { service in
            unit.map { service == $0 + ".service" } ?? (service == "sparekey.service" || service.hasPrefix("sparekey@"))
        }
    }
}
