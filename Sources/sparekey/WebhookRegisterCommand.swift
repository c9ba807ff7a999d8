internal import ArgumentParser
internal import Checks
internal import Foundation
internal import Presentation
internal import Seam
internal import Settings

struct WebhookRegisterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "register",
        abstract: "Create the webhook at Seam, or bring it up to date, and store its signing secret.",
        discussion: """
            The webhook gets exactly the event types that Sparekey uses. The secret goes into the file that webhook.secret_file names; where \
            the configuration names none, into /etc/credstore/sparekey.webhook-secret, which systemd hands to the service \
            (sparekey.NAME.webhook-secret for the configuration /etc/sparekey/NAME.yaml; one that lies elsewhere is no unit's and has \
            to name a file). It is never printed. Running it again changes nothing that is as it should be.
            """)

    @Option(help: ArgumentHelp("The webhook's URL as Seam sees it; else webhook.public_url.", valueName: "url"))
    var url: String?

    @Option(
        name: .customLong("secret-file"),
        help: ArgumentHelp("Where to store the secret instead; name it as webhook.secret_file.", valueName: "file"))
    var secretFile: String?

    @OptionGroup var options: ConfigurationOptions

    func validate() throws {
        if let url, let complaint = Settings.complaint(aboutWebhookURL: url) {
            throw ValidationError("The URL \(complaint).")
        }
        if secretFile?.isEmpty == true { throw ValidationError("The secret file's name is empty.") }
    }

    func run() async throws {
        try await exiting {
            let settings = try options.settings()
            guard let url = url ?? settings.webhook.publicURL else {
                throw ValidationError("Give --url, or set webhook.public_url.")
            }
            let client = try seamClient(settings)
            // Before Seam makes a secret that could then not be kept.
            let store = try store(settings)
            if store == nil { try await refuseUnlessKnown(url, client, settings) }
            let types = SeamEvent.usedTypes(triggers: settings.failover.triggerEvents)
            let registered = try await client.registerWebhook(url: url, eventTypes: types)
            try Terminal.write(Self.summary(registered))
            let next = try keep(registered, store, settings)
            try Terminal.write(Self.advice(publicURL(url, settings) + next))
        }
    }

    /// Where the secret is to go; nil where it is written in the configuration itself, which a person has to mend.
    private func store(_ settings: Settings) throws -> SecretFile? {
        let path: String
        if let secretFile {
            // The configuration, which is to name it, takes no other.
            path = URL(fileURLWithPath: secretFile).path
        } else {
            switch settings.secretPlaces["webhook.secret"] ?? .nowhere {
            case .file(let named): path = named
            case .inline: return nil
            case .credential, .nowhere:
                // What is in the store is the installed service's.
                if let file = settings.file, settings.unit == nil {
                    throw failure(
                        """
                        Nothing was registered: \(file) is no unit's, so no credential is handed to whoever runs it, and it names no file \
                        for the secret. Name one with --secret-file and as webhook.secret_file.
                        """)
                }
                path = settings.webhookCredential
                let folder = path.parentFolder
                // As systemd itself would make it.
                if geteuid() == 0 { mkdir(folder, 0o700) }
            }
        }
        let service = ServiceAccount(databasePath: settings.database.path)
        do {
            // systemd itself, as root, reads a credential; everything else the service has to read.
            let isForService = geteuid() == 0 && path != settings.webhookCredential
            return try SecretFile(path, reader: isForService ? (service.userID, service.groupID) : nil)
        } catch {
            throw failure("\(error). Nothing was registered. Run it as root, or name another file with --secret-file.")
        }
    }

    /// A secret that is written in the configuration itself only a person can change: nothing is done that would make another one.
    private func refuseUnlessKnown(_ url: String, _ client: SeamClient, _ settings: Settings) async throws {
        let webhook = try await client.webhooks().first { $0.url == url }
        if let secret = webhook?.secret.map(SecretText.init),
            settings.webhook.secrets.contains(where: { $0.isSameSecret(as: secret) })
        {
            return
        }
        throw failure(
            """
            Nothing was registered: webhook.secret is written in \(place(settings)), where no other can be stored. Remove it there and run \
            this again, or name a file with --secret-file and as webhook.secret_file.
            """)
    }

    /// Stores the secret where it is not known yet.
    ///
    /// - Returns: what is to be done next.
    private func keep(_ registered: WebhookRegistered, _ store: SecretFile?, _ settings: Settings) throws -> [String] {
        let webhook = registered.webhook
        guard let text = webhook.secret else {
            throw failure(
                """
                Seam does not show the secret of webhook \(webhook.id). Copy it from Seam Console, or delete the webhook and register it again: \
                sparekey webhook delete \(webhook.id)
                """)
        }
        let secret = SecretText(text)
        guard let store else {
            try Terminal.write("Its signing secret is the configured one.\n")
            return [settings.checkCommand]
        }
        if store.secrets.first?.isSameSecret(as: secret) == true {
            try Terminal.write("Its signing secret is in \(store.path) already.\n")
            return isConfigured(store, settings) ? [settings.checkCommand] : advice(store, settings)
        }
        // The old ones are kept as long as Seam has a webhook that signs with them.
        let others = registered.others.compactMap { $0.secret.map(SecretText.init) }
        let kept = store.secrets.filter { old in
            !old.isSameSecret(as: secret) && others.contains { $0.isSameSecret(as: old) }
        }
        do {
            try store.store([secret] + kept)
        } catch {
            throw failure(
                "\(error). The webhook is registered, but its secret is not stored: mend that, and run this again.")
        }
        try Terminal.write("Its signing secret is in \(store.path) (\(store.permissions)).\n")
        return advice(store, settings)
    }

    /// Whether the daemon reads the secret there.
    private func isConfigured(_ store: SecretFile, _ settings: Settings) -> Bool {
        switch settings.secretPlaces["webhook.secret"] ?? .nowhere {
        case .file(let named): named == store.path
        case .credential, .nowhere: store.path == settings.webhookCredential
        case .inline: false
        }
    }

    private func advice(_ store: SecretFile, _ settings: Settings) -> [String] {
        // Credentials are handed over at a start only.
        if isConfigured(store, settings), store.path == settings.webhookCredential {
            return [settings.checkCommand, "sudo systemctl restart \(settings.service)"]
        }
        let reload = [settings.checkCommand, "sudo systemctl reload-or-restart \(settings.service)"]
        if isConfigured(store, settings) { return reload }
        return ["webhook.secret_file: \(store.path)  (in \(settings.file ?? Settings.defaultPath))"] + reload
    }

    private func publicURL(_ url: String, _ settings: Settings) -> [String] {
        guard settings.webhook.publicURL != url else { return [] }
        return ["webhook.public_url: \(url)  (in \(settings.file ?? Settings.defaultPath))"]
    }

    private func place(_ settings: Settings) -> String {
        if case .inline(let source) = settings.secretPlaces["webhook.secret"] {
            switch source {
            case .file(let path): return path
            case .environment(let name): return "the environment (\(name))"
            case .nowhere: break
            }
        }
        return "the configuration"
    }

    private func failure(_ text: String) -> ExitCode {
        Terminal.diagnose("sparekey: \(text)")
        return .failure
    }

    private static func summary(_ registered: WebhookRegistered) -> String {
        let webhook = registered.webhook
        let what =
            switch registered.change {
            case .created: "Created"
            case .updated: "Updated"
            case .unchanged: "Unchanged:"
            }
        return "\(what) webhook \(webhook.id) to \(webhook.url), \(webhook.eventTypes.count) event types.\n"
    }

    private static func advice(_ next: [String]) -> String {
        "Next:\n" + next.map { "  \($0)\n" }.joined()
    }
}

extension Settings {
    /// What the unit's `LoadCredential=webhook-secret:…` finds.
    fileprivate var webhookCredential: String { credentialStore + "webhook-secret" }

    fileprivate var service: String { unit ?? "sparekey" }

    fileprivate var checkCommand: String {
        let other = file.flatMap { $0 == Self.defaultPath ? nil : " --config \($0)" } ?? ""
        return "sudo sparekey check" + other
    }
}
