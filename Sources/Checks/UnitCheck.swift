internal import Settings

/// Whether the unit that is installed lets the service get at the files that the configuration names: by hand all of them are
/// there, and at its start they are not.
struct UnitCheck: Check {
    private let settings: Settings
    private let unitFolders: [String]

    /// - Parameter unitFolders: where systemd looks for units; tests say so themselves.
    init(_ settings: Settings, unitFolders: [String] = UnitFile.folders) {
        self.settings = settings
        self.unitFolders = unitFolders
    }

    func findings() async -> [CheckFinding] {
        guard let unit = settings.unit, let file = settings.unitFile,
            let confined = UnitFile(unit: unit, file: file, folders: unitFolders)
        else { return [] }
        let folder = settings.database.path.parentFolder
        var findings: [CheckFinding] = []
        for (key, path) in named + [("database.path", settings.database.path)] {
            guard let setting = confined.hides(path) else { continue }
            findings.append(
                CheckFinding(
                    "unit.hidden", .error, "The service does not see what \(key) names",
                    detail: "\(path) is kept from it by \(setting)= of \(unit).service.",
                    fix: "Put it elsewhere, such as /etc/sparekey or /usr/local; or, where it has to stay: "
                        + "systemctl edit \(unit), [Service], \(setting)=no."))
        }
        if confined.hides(folder) == nil, !confined.mayWrite(folder, stateFolder: settings.stateFolder) {
            findings.append(
                CheckFinding(
                    "unit.read_only", .error, "The service may not write to the database's folder",
                    detail: "\(folder) is read-only for it by ProtectSystem= of \(unit).service.",
                    fix: "systemctl edit \(unit), [Service], ReadWritePaths=\(folder); or leave the database in "
                        + "\(settings.stateFolder ?? "its own folder")."))
        }
        return findings
    }

    /// The files that the service opens or runs, by their keys.
    private var named: [(key: String, path: String)] {
        var named: [(String, String)] = []
        if let command = settings.delivery.command?.first { named.append(("delivery.command", command)) }
        if let files = settings.listen.tls.files {
            named.append(("listen.tls.certificate_file", files.certificate))
            named.append(("listen.tls.private_key_file", files.privateKey))
        }
        for (key, place) in settings.secretPlaces.sorted(by: { $0.key < $1.key }) {
            if case .file(let path) = place { named.append((key, path)) }
        }
        return named
    }
}
