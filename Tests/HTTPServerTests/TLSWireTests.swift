import COpenSSL
import Foundation
import Glibc
import Testing

@testable import Crypto
@testable import HTTPServer

/// The wire without sockets, against a client in memory.
@Suite(.timeLimit(.minutes(5))) struct TLSWireTests {
    /// Passes bytes to and fro, in pieces, until neither has anything to say.
    @discardableResult
    private func converse(_ client: TLSTestClient, _ wire: TLSWire, piece: Int = .max) -> (
        plaintext: String, end: WireOutput.End?
    ) {
        var plaintext: [UInt8] = []
        while true {
            client.step()
            let bytes = client.takeOutgoing()
            if bytes.isEmpty { return (String(decoding: plaintext, as: UTF8.self), nil) }
            var index = 0
            while index < bytes.count {
                let end = index + min(piece, bytes.count - index)
                let output = wire.receive(bytes[index..<end])
                plaintext += output.plaintext
                client.receive(output.outgoing)
                if let end = output.end { return (String(decoding: plaintext, as: UTF8.self), end) }
                index = end
            }
        }
    }

    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION], [1, 7, Int.max])
    func carriesBytesHoweverTheyAreCut(version: Int32, piece: Int) async throws {
        let files = try await TLSFiles()
        let wire = TLSWire(try await files.context())
        let client = try TLSTestClient(version: version)
        converse(client, wire, piece: piece)
        #expect(client.isEstablished)
        client.write("hello")
        client.write(" world")
        #expect(converse(client, wire, piece: piece).plaintext == "hello world")
        client.receive(wire.send(Array("answer".utf8)).outgoing)
        #expect(client.read() == "answer")
        client.receive(wire.finish())
        #expect(client.read() == "")
        #expect(client.isClosedByPeer)
    }

    @Test func aChangedByteEndsTheConnection() async throws {
        let files = try await TLSFiles()
        let context = try await files.context()
        for position in [0, 3, 5, 12, 20] {
            let wire = TLSWire(context)
            let client = try TLSTestClient()
            converse(client, wire)
            client.write("hello world")
            var record = client.takeOutgoing()
            record[position] ^= 1
            let output = wire.receive(record[...])
            // A longer length is waited for; anything else is an alert and the end.
            if position != 3 {
                #expect(output.end == .failed, "\(position)")
                #expect(!output.outgoing.isEmpty)
            }
            #expect(output.plaintext.isEmpty)
        }
    }

    @Test func theEndIsSaidOnce() async throws {
        let files = try await TLSFiles()
        let wire = TLSWire(try await files.context())
        let client = try TLSTestClient()
        converse(client, wire)
        client.write("last")
        SSL_shutdown(client.connection)
        let output = wire.receive(client.takeOutgoing()[...])
        #expect(output.plaintext == Array("last".utf8))
        #expect(output.end == .closed)
        // The peer may still read.
        client.receive(wire.send(Array("bye".utf8)).outgoing)
        #expect(client.read() == "bye")
    }

    @Test func nothingIsSentBeforeTheHandshake() async throws {
        let files = try await TLSFiles()
        let wire = TLSWire(try await files.context())
        #expect(wire.send(Array("secret".utf8)).end == .failed)
        #expect(wire.finish().isEmpty)
    }

    /// Bytes without end that never become HTTP.
    @Test func silenceIsBounded() async throws {
        let files = try await TLSFiles()
        let context = try await files.context()
        let wire = TLSWire(context)
        // Handshake records of one byte each: a client hello that claims 130,000 bytes and never comes to its end.
        var sent = 0
        var output = wire.receive([22, 3, 1, 0, 4, 1, 1, 0xFB, 0xD0])
        while output.end == nil, sent < 1_000_000 {
            output = wire.receive([22, 3, 1, 0, 16] + [UInt8](repeating: 0, count: 16))
            sent += 21
        }
        #expect(output.end == .failed)
        #expect(sent <= TLSWire.maximumSilentBytes + 100)
    }

    /// An honest client updates its key once in millions of records. Whoever does it all the time costs the loop its time, whatever
    /// he says in between.
    @Test func keyUpdatesAreFew() async throws {
        let files = try await TLSFiles()
        let wire = TLSWire(try await files.context())
        let client = try TLSTestClient()
        converse(client, wire)
        func update() -> (plaintext: String, end: WireOutput.End?) {
            client.updateKey()
            client.write("x")
            return converse(client, wire)
        }
        for _ in 0..<4 {
            let taken = update()
            #expect(taken.plaintext == "x" && taken.end == nil)
        }
        client.receive(wire.send(Array("answer".utf8)).outgoing)
        #expect(client.read() == "answer")
        var updates = 4
        while updates < 100, update().end == nil { updates += 1 }
        #expect(updates < 20)
    }

    /// The first too many ends the connection: those behind it in the same piece are not even looked at.
    @Test func keyUpdatesInOnePieceAreFew() async throws {
        let files = try await TLSFiles()
        let wire = TLSWire(try await files.context())
        let client = try TLSTestClient()
        converse(client, wire)
        for _ in 0..<500 { client.updateKey() }
        let output = wire.receive(client.takeOutgoing()[...])
        #expect(output.end == .failed)
        // Each one that was taken is answered with one of 27 bytes.
        #expect(output.outgoing.count < 20 * 27)
    }

    // MARK: Files

    @Test func refusesFilesThatAreNoPair() async throws {
        let files = try await TLSFiles()
        let (one, two) = (try await files.make("one"), try await files.make("two"))
        func what(_ certificate: String, _ key: String) -> TLSFileError.What? {
            do {
                _ = try TLSContext(certificateFile: certificate, privateKeyFile: key)
                return nil
            } catch {
                #expect(error.description.contains(error.path))
                return error.what
            }
        }
        #expect(what(one.certificate, one.privateKey) == nil)
        #expect(what(one.certificate, two.privateKey) == .mismatch)
        #expect(what(one.privateKey, one.privateKey) == .certificate)
        #expect(what(one.certificate, one.certificate) == .privateKey)
        #expect(what("/nonexistent.pem", one.privateKey) == .certificate)
        #expect(what(one.certificate, "/nonexistent.key") == .privateKey)
        let locked = files.path("locked.key")
        _ = try await run(["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", one.privateKey, "-out", locked])
        #expect(what(one.certificate, locked) == .privateKey)
    }

    @Test func readsTheExpiry() async throws {
        let files = try await TLSFiles()
        let days = try await files.context(days: 5).expiresAt - Int64(Date().timeIntervalSince1970)
        #expect(abs(days - 432_000) < 600)
        #expect(try await files.context("gone", days: -1).expiresAt < Int64(Date().timeIntervalSince1970))
    }

    @Test func takesChangedFilesAndKeepsTheOldWhereTheyAreBad() async throws {
        let files = try await TLSFiles()
        let (one, two) = (try await files.make("one", days: 2), try await files.make("two", days: 3))
        let used = TLSIdentity.Files(certificate: files.path("used.pem"), privateKey: files.path("used.key"))
        func install(_ source: String, as target: String) throws {
            // As a renewal does it: written beside and renamed.
            let new = target + ".new"
            try FileManager.default.copyItem(atPath: source, toPath: new)
            rename(new, target)
        }
        try install(one.certificate, as: used.certificate)
        try install(one.privateKey, as: used.privateKey)
        let identity = try TLSIdentity(used)
        let first = identity.context
        #expect(try !identity.refresh())
        try install(two.certificate, as: used.certificate)
        #expect(throws: TLSFileError.self) { try identity.refresh() }
        #expect(identity.context === first)
        // Said once.
        #expect(try !identity.refresh())
        try install(two.privateKey, as: used.privateKey)
        #expect(try identity.refresh())
        #expect(identity.context.expiresAt > first.expiresAt)
        try FileManager.default.removeItem(atPath: used.privateKey)
        #expect(throws: TLSFileError.self) { try identity.refresh() }
        #expect(identity.context.expiresAt > first.expiresAt)
    }

    /// What `chmod` mends changes neither content nor the time of the last change of it. In a process of its own, and not root's,
    /// who may read everything.
    @Test func takesFilesThatWereNotReadable() async {
        await #expect(processExitsWith: .success) {
            if geteuid() == 0 {
                setgid(65_534)
                setuid(65_534)
            }
            let files = try await TLSFiles()
            let used = try await files.make("used")
            let identity = try TLSIdentity(used)
            chmod(used.privateKey, 0)
            #expect(throws: TLSFileError.self) { try identity.refresh() }
            #expect(try !identity.refresh(), "said once")
            chmod(used.privateKey, 0o400)
            #expect(try identity.refresh())
            #expect(try !identity.refresh())
        }
    }

    /// A failure that was not the files' own, as when there is no descriptor for them, leaves no other trace than itself. In a
    /// process of its own: descriptors are the whole process's.
    @Test func triesAgainWhatFailed() async {
        await #expect(processExitsWith: .success) {
            let files = try await TLSFiles()
            let (used, next) = (try await files.make("used", days: 2), try await files.make("next", days: 3))
            let identity = try TLSIdentity(used)
            let first = identity.context
            rename(next.certificate, used.certificate)
            rename(next.privateKey, used.privateKey)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var none = rlimit(rlim_cur: 0, rlim_max: limit.rlim_max)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
            let failure = #expect(throws: TLSFileError.self) { try identity.refresh() }
            let isQuiet = try !identity.refresh()
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            #expect(failure?.what == .certificate)
            #expect(isQuiet, "said once")
            #expect(identity.context === first)
            #expect(try identity.refresh())
            #expect(identity.context.expiresAt > first.expiresAt)
            #expect(try !identity.refresh())
        }
    }

    @Test func aFailureIsSaidOnceAndEachOtherOneToo() async throws {
        let files = try await TLSFiles()
        let used = try await files.make("used")
        let identity = try TLSIdentity(used)
        rename(used.privateKey, files.path("kept"))
        #expect(throws: TLSFileError.self) { try identity.refresh() }
        for garbage in ["garbage", "other garbage"] {
            try garbage.write(toFile: used.privateKey, atomically: false, encoding: .utf8)
            // Either is no key, for the same reason.
            if garbage == "garbage" { #expect(throws: TLSFileError.self) { try identity.refresh() } }
            #expect(try !identity.refresh())
        }
        rename(files.path("kept"), used.privateKey)
        #expect(try identity.refresh())
        try "garbage".write(toFile: used.privateKey, atomically: false, encoding: .utf8)
        #expect(throws: TLSFileError.self, "it was well in between") { try identity.refresh() }
    }
}
