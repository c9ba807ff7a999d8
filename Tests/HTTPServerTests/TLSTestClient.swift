import COpenSSL

@testable import Crypto
@testable import HTTPServer

/// The client's side of a TLS connection in memory, which trusts everybody.
final class TLSTestClient {
    private let context: OpaquePointer
    let connection: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer

    init(version: Int32 = TLS1_3_VERSION) throws {
        OpenSSLError.clear()
        guard let context = SSL_CTX_new(TLS_client_method()), let connection = SSL_new(context),
            let incoming = BIO_new(BIO_s_mem()), let outgoing = BIO_new(BIO_s_mem())
        else { throw OpenSSLError.taken(after: "client") }
        self.context = context
        self.connection = connection
        self.incoming = incoming
        self.outgoing = outgoing
        SSL_set_bio(connection, incoming, outgoing)
        SSL_set_connect_state(connection)
        _ = SSL_ctrl(connection, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
    }

    deinit {
        SSL_free(connection)
        SSL_CTX_free(context)
    }

    /// The first message of a handshake.
    static func hello() throws -> [UInt8] {
        let client = try TLSTestClient()
        client.step()
        return client.takeOutgoing()
    }

    var isEstablished: Bool { SSL_is_init_finished(connection) == 1 }

    func step() {
        OpenSSLError.clear()
        _ = SSL_do_handshake(connection)
        OpenSSLError.clear()
    }

    func receive(_ bytes: [UInt8]) { _ = BIO_write(incoming, bytes, Int32(bytes.count)) }

    func write(_ text: String) {
        var written = 0
        _ = SSL_write_ex(connection, text, text.utf8.count, &written)
    }

    /// Exchanges the key that it sends with, and asks the server to do so, too (RFC 8446 4.6.3).
    func updateKey() {
        _ = SSL_key_update(connection, SSL_KEY_UPDATE_REQUESTED)
        step()
    }

    func read() -> String {
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 16_384)
        var count = 0
        while SSL_read_ex(connection, &buffer, buffer.count, &count) == 1 {
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        OpenSSLError.clear()
        return text
    }

    var isClosedByPeer: Bool { SSL_get_shutdown(connection) & SSL_RECEIVED_SHUTDOWN != 0 }

    func takeOutgoing() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(sparekey_BIO_pending(outgoing)))
        let count = bytes.isEmpty ? 0 : BIO_read(outgoing, &bytes, Int32(bytes.count))
        return Array(bytes.prefix(Int(max(0, count))))
    }
}
