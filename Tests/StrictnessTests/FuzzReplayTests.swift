import FoundationEssentials
import Strictness
import Testing
import Time

/// What fuzzers begin with and what they have found, and a short walk from there, in every test run.
@Suite(.timeLimit(.minutes(15))) struct FuzzReplayTests {
    private static let folder =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
        + "/Strictness/Seeds/"

    private static func seeds(_ target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let folder = folder + target.rawValue
        return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
            (name, Array(try Data(contentsOf: URL(filePath: folder + "/" + name))))
        }
    }

    @Test(arguments: FuzzTarget.allCases) func seedsAndFindingsHold(_ target: FuzzTarget) throws {
        let seeds = try Self.seeds(target)
        #expect(seeds.count >= 3)
        for seed in seeds { #expect(target.finding(seed.bytes) == nil, "\(target)/\(seed.name)") }
    }

    @Test(arguments: FuzzTarget.allCases) func damagedSeedsHold(_ target: FuzzTarget) async throws {
        let seeds = try Self.seeds(target).map(\.bytes)
        var random = SeededGenerator(seed: 0x5EED)
        for round in 0..<150 {
            // Others wait for this thread.
            await Task.yield()
            var bytes = seeds[round % seeds.count]
            for _ in 0...Int.random(in: 0..<4, using: &random) { Self.damage(&bytes, from: seeds, &random) }
            if let finding = target.finding(bytes) {
                Issue.record("\(target), round \(round): \(finding): \(Data(bytes).base64EncodedString())")
                return
            }
        }
    }

    private static func damage(_ bytes: inout [UInt8], from seeds: [[UInt8]], _ random: inout SeededGenerator) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        let end = min(bytes.count, place + Int.random(in: 0..<16, using: &random))
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes.removeSubrange(place..<end)
        case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 2: bytes.replaceSubrange(place..<end, with: bytes[place..<end].map { $0 ^ 1 << (UInt8(place & 7)) })
        default:
            let other = seeds[Int.random(in: 0..<seeds.count, using: &random)]
            bytes.insert(contentsOf: other.suffix(Int.random(in: 0...other.count, using: &random)), at: place)
        }
    }
}
