/// The table of keys by name, with the questions that both the file and the environment ask of it.
enum Schema {
    static let keys: [String: SettingsKey] = index(\.name)
    static let environment: [String: SettingsKey] = index(\.environmentName)

    /// `listen`, `listen.tls`, …
    static let sections: Set<String> = Set(
        Settings.keys.flatMap { key in
            let parts = key.name.split(separator: ".")
            return (1..<parts.count).map { parts.prefix($0).joined(separator: ".") }
        })

    /// What stands directly in a section, without its name in front.
    static func names(in section: String) -> [String] {
        var names: [String] = []
        for key in Settings.keys where key.name.utf8.starts(with: "\(section).".utf8) {
            let rest = key.name.dropFirst(section.count + 1)
            let name = String(rest.prefix { $0 != "." })
            if !names.contains(name) { names.append(name) }
        }
        return names
    }

    /// The finding for a name that is no key and no section.
    static func unknown(_ name: String, source: Finding.Source, line: Int?) -> Finding {
        let fix = Suggestion.nearest(to: name, among: Settings.keys.map(\.name) + sections.sorted())
            .map { "did you mean `\($0)`? If not, remove it" }
        let section = name.split(separator: ".").dropLast().joined(separator: ".")
        let known = sections.contains(section) ? "\(section) has \(names(in: section).joined(separator: ", "))" : nil
        return Finding(
            key: name.shownName, source: source, line: line, problem: "is no key that Sparekey knows",
            fix: fix ?? "remove it; \(known ?? "config/sparekey.yaml shows every key")")
    }

    /// The table has unique names (a test makes sure); should it not, its first row counts.
    private static func index(_ name: KeyPath<SettingsKey, String>) -> [String: SettingsKey] {
        Dictionary(Settings.keys.map { ($0[keyPath: name], $0) }, uniquingKeysWith: { first, _ in first })
    }
}
