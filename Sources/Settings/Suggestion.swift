/// What was probably meant by a name that is not known.
enum Suggestion {
    /// The nearest of `names`, if one is near: a slip or two, or the right last part in the wrong section.
    static func nearest(to name: String, among names: [String]) -> String? {
        guard name.utf8.count <= 100 else { return nil }
        let ranked = names.map { (name: $0, distance: distance(Array(name.utf8), Array($0.utf8))) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        if best.distance <= 2 { return best.name }
        let leaf = name.split(separator: ".").last
        let sameLeaf = names.filter { $0.split(separator: ".").last == leaf }
        if sameLeaf.count == 1 { return sameLeaf.first }
        return best.distance <= name.utf8.count / 3 ? best.name : nil
    }

    /// The number of bytes to insert, remove or replace, or neighbours to swap (optimal string alignment).
    static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...second.count)
        for (row, byte) in first.enumerated() {
            var current = [row + 1]
            for (column, other) in second.enumerated() {
                var least = min(
                    previous[column] + (byte == other ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, byte == second[column - 1], first[row - 1] == other {
                    least = min(least, beforePrevious[column - 1] + 1)
                }
                current.append(least)
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous[second.count]
    }
}
