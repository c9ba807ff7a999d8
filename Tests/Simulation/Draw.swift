internal import Time

/// The world's own draws, apart from those of the simulated Seam and of Sparekey.
struct Draw: Sendable {
    private var generator: SeededGenerator

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

    mutating func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &generator) < probability }

    mutating func one<Value>(of values: [Value]) -> Value { values[number(0...(values.count - 1))] }

    mutating func shuffled<Value>(_ values: [Value]) -> [Value] { values.shuffled(using: &generator) }

    /// Uniform, to the millisecond.
    mutating func duration(_ low: Duration, _ high: Duration) -> Duration {
        .milliseconds(Int64.random(in: low.milliseconds...high.milliseconds, using: &generator))
    }
}

extension Duration {
    static func minutes(_ count: Int) -> Duration { .seconds(60 * count) }
    static func hours(_ count: Int) -> Duration { .seconds(3600 * count) }

    var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
