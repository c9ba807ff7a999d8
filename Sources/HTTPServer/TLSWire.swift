package import Crypto

/// TLS between socket and HTTP.
package final class TLSWire: Wire {
    /// What a peer may send without a byte of HTTP coming of it, in bytes: a handshake takes two kilobytes, a record 16. Beyond
    /// are handshakes without end, renegotiations and key updates in a row.
    package static let maximumSilentBytes = 65_536

    private let connection: TLSConnection?
    private var isEstablished = false
    private var isOver = false
    private var silentBytes = 0

    package init(_ context: TLSContext) {
        connection = try? TLSConnection(context)
    }

    package func receive(_ bytes: ArraySlice<UInt8>) -> WireOutput {
        guard let connection, !isOver, connection.receive(bytes.span) else { return ended(.failed) }
        silentBytes += bytes.count
        if !isEstablished {
            switch connection.handshake() {
            case .incomplete:
                return silentBytes > TLSWire.maximumSilentBytes
                    ? ended(.failed) : WireOutput(outgoing: connection.takeOutgoing())
            case .failed: return ended(.failed)
            case .complete: isEstablished = true
            }
        }
        var plaintext: [UInt8] = []
        while true {
            switch connection.read() {
            case .bytes(let more):
                silentBytes = 0
                if plaintext.isEmpty { plaintext = more } else { plaintext += more }
            case .incomplete:
                if silentBytes > TLSWire.maximumSilentBytes { return ended(.failed, plaintext) }
                return WireOutput(plaintext: plaintext, outgoing: connection.takeOutgoing())
            case .closed: return WireOutput(plaintext: plaintext, outgoing: connection.takeOutgoing(), end: .closed)
            case .failed: return ended(.failed, plaintext)
            }
        }
    }

    /// Before the handshake is over there is nothing to say in plain, and nobody who could read it: the bytes are dropped and the
    /// connection ended.
    package func send(_ bytes: [UInt8]) -> WireOutput {
        guard let connection, isEstablished, !isOver else { return ended(.failed) }
        do {
            try connection.write(bytes.span)
            return WireOutput(outgoing: connection.takeOutgoing())
        } catch {
            return ended(.failed)
        }
    }

    package func finish() -> [UInt8] {
        guard let connection, isEstablished, !isOver else { return [] }
        connection.close()
        return connection.takeOutgoing()
    }

    private func ended(_ end: WireOutput.End, _ plaintext: [UInt8] = []) -> WireOutput {
        isOver = true
        return WireOutput(plaintext: plaintext, outgoing: connection?.takeOutgoing() ?? [], end: end)
    }
}
