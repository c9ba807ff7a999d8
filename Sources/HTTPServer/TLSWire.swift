package import Crypto

/// TLS between socket and HTTP.
package final class TLSWire: Wire {
    /// What a peer may send without a byte of HTTP coming of it, in bytes: a handshake takes two kilobytes, a record 16. Beyond
    /// are handshakes without end. (`TLSConnection` bounds key updates, whatever comes between them.)
    package static let maximumSilentBytes = 65_536

    let connection: TLSConnection?
    private var isEstablished = false
    private var isOver = false
    private var silentBytes = 0

    package init(_ context: TLSContext) {
        connection = try? TLSConnection(context)
    }

    package var heldBytes: Int { connection?.heldBytes ?? 0 }

    package func receive(_ bytes: ArraySlice<UInt8>) -> WireOutput {
        guard let connection, !isOver else { return ended(.failed) }
        var output = WireOutput()
        var rest = bytes
        repeat {
            let slice = rest.prefix(TLSConnection.recordBytes)
            rest = rest.dropFirst(slice.count)
            output.end = take(slice, from: connection, &output.plaintext)
            append(connection.takeOutgoing(), to: &output.outgoing)
        } while !rest.isEmpty && output.end == nil
        if output.end == .failed { isOver = true }
        return output
    }

    /// Takes no more than a record's bytes, and reads what has become readable.
    private func take(
        _ bytes: ArraySlice<UInt8>, from connection: TLSConnection, _ plaintext: inout [UInt8]
    ) -> WireOutput.End? {
        guard connection.receive(bytes.span) else { return .failed }
        silentBytes += bytes.count
        if !isEstablished {
            switch connection.handshake() {
            case .incomplete: return silentBytes > TLSWire.maximumSilentBytes ? .failed : nil
            case .failed: return .failed
            case .complete: isEstablished = true
            }
        }
        while true {
            switch connection.read() {
            case .bytes(let more):
                silentBytes = 0
                append(more, to: &plaintext)
            case .incomplete: return silentBytes > TLSWire.maximumSilentBytes ? .failed : nil
            case .closed: return .closed
            case .failed: return .failed
            }
        }
    }

    /// Before the handshake is over there is nothing to say in plain, and nobody who could read it: the bytes are dropped and the
    /// connection ended.
    package func send(_ bytes: [UInt8]) -> WireOutput {
        guard let connection, isEstablished, !isOver else { return ended(.failed) }
        var outgoing: [UInt8] = []
        var rest = bytes[...]
        do {
            repeat {
                let slice = rest.prefix(TLSConnection.recordBytes)
                rest = rest.dropFirst(slice.count)
                try connection.write(slice.span)
                append(connection.takeOutgoing(), to: &outgoing)
            } while !rest.isEmpty
            return WireOutput(outgoing: outgoing)
        } catch {
            return ended(.failed, outgoing)
        }
    }

    package func finish() -> [UInt8] {
        guard let connection, isEstablished, !isOver else { return [] }
        connection.close()
        return connection.takeOutgoing()
    }

    private func ended(_ end: WireOutput.End, _ outgoing: [UInt8] = []) -> WireOutput {
        isOver = true
        return WireOutput(outgoing: outgoing + (connection?.takeOutgoing() ?? []), end: end)
    }

    /// Nearly always there is one piece only, which is not copied.
    private func append(_ piece: [UInt8], to bytes: inout [UInt8]) {
        if bytes.isEmpty { bytes = piece } else { bytes += piece }
    }
}
