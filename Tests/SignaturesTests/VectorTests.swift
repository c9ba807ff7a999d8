import FoundationEssentials
import Testing

@testable import Signatures

@Suite struct VectorTests {
    @Test func theFileIsWhole() {
        #expect(VectorFile.shared.sign.count == 22)
        #expect(VectorFile.shared.verify.count == 97)
    }

    @Test(arguments: VectorFile.shared.sign) func signs(_ vector: VectorFile.Sign) throws {
        let body = try #require(vector.body)
        let signer = SignatureSigner(secret: try SigningSecret(vector.secret))
        let signature = try signer.sign(id: vector.id, timestamp: vector.timestamp, body: body.span)
        #expect(signature == vector.signature)
    }

    @Test(arguments: VectorFile.shared.verify) func verifies(_ vector: VectorFile.Verify) throws {
        #expect(try result(of: vector) == vector.strictResult)
        #expect(vector.expect == Self.expectation(of: vector.strictResult))
    }

    private func result(of vector: VectorFile.Verify) throws -> String {
        let secret: SigningSecret
        do {
            secret = try SigningSecret(vector.secret)
        } catch {
            switch error {
            case .empty, .prefixOnly: return "config:secret_empty"
            default: return "config:secret_not_base64"
            }
        }
        let fields = vector.headers.map { Field($0[0], $0[1]) }
        let body = Array(try #require(Data(base64Encoded: vector.bodyB64)))
        let now = Int64(vector.now.rounded(.down))
        do {
            let message = try SignatureVerifier(secrets: [secret]).verify(
                headers: fields.slices, body: body.span, now: now)
            let id = try #require(fields.first { $0.name.lowercased().hasSuffix("-id") })
            #expect(message.idText == id.value)
            #expect(message.clockSkewSeconds == now - message.timestamp)
            return "accept"
        } catch let failure as VerificationFailure {
            return failure.reason.rawValue
        }
    }

    private static func expectation(of result: String) -> String {
        if result == "accept" { return "accept" }
        return result.hasPrefix("config:") ? "config-error" : "reject"
    }
}

/// A header as text, for tests.
struct Field {
    let name: String
    let value: String

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

extension [Field] {
    /// The headers as slices that do not begin at index 0, as they come out of a server's buffer.
    var slices: [(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)] {
        map { field in
            let line = [UInt8]("?\(field.name): \(field.value)\r\n".utf8)
            let colon = 1 + field.name.utf8.count
            return (line[1..<colon], line[(colon + 2)..<(line.count - 2)])
        }
    }
}
