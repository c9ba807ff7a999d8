import FoundationEssentials

/// The vectors of Fixtures/vectors.json.
struct VectorFile: Decodable {
    struct Sign: Decodable, Sendable, CustomStringConvertible {
        struct Repeat: Decodable, Sendable {
            let char: String
            let count: Int
        }

        let name: String
        let secret: String
        let id: String
        let timestamp: Int64
        let payload: String?
        let payloadB64: String?
        let payloadRepeat: Repeat?
        let signature: String

        var description: String { name }

        var body: [UInt8]? {
            if let payload { return Array(payload.utf8) }
            if let payloadB64 { return Data(base64Encoded: payloadB64).map { Array($0) } }
            return payloadRepeat.map { Array(String(repeating: $0.char, count: $0.count).utf8) }
        }
    }

    struct Verify: Decodable, Sendable, CustomStringConvertible {
        let name: String
        let expect: String
        let strictResult: String
        let secret: String
        let headers: [[String]]
        let bodyB64: String
        let now: Double

        var description: String { name }
    }

    let sign: [Sign]
    let verify: [Verify]

    static let shared: VectorFile = {
        let folder = #filePath.split(separator: "/").dropLast().joined(separator: "/")
        do {
            let data = try Data(contentsOf: URL(filePath: "/" + folder + "/Fixtures/vectors.json"))
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(VectorFile.self, from: data)
        } catch {
            fatalError("Fixtures/vectors.json: \(error)")
        }
    }()
}
