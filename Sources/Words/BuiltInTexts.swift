extension MessageTexts {
    /// The texts that need no file, by language. config/messages/ has the same ones to begin with; a test keeps them equal.
    package static let builtIn: [String: MessageTexts] = [
        "de": MessageTexts(
            time: "{day}. {month_name} {year}, {hour}:{minute} Uhr",
            months: names("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
            created: """
                Guten Tag[ {name}], Ihr Türcode[ für {device}] hat sich geändert. Bitte verwenden Sie {pin} \
                anstelle des Codes, den Sie erhalten haben.[ Er gilt vom {starts} bis zum {ends}.]
                """,
            updated: """
                Guten Tag[ {name}], zu Ihrem Türcode[ für {device}] gibt es Neues: Bitte verwenden Sie \
                {pin}.[ Er gilt vom {starts} bis zum {ends}.]
                """,
            revoked: """
                Guten Tag[ {name}], der Ersatz-Türcode[ für {device}], den Sie von uns erhalten haben, gilt \
                nicht mehr.
                """,
            recovered: """
                Guten Tag[ {name}], Ihr erster Türcode[ für {device}] funktioniert jetzt ebenfalls.[ {pin} \
                gilt weiter bis zum {ends}.]
                """),
        "en": MessageTexts(
            time: "{day} {month_name} {year}, {hour}:{minute}",
            months: names("January February March April May June July August September October November December"),
            created: """
                Hello[ {name}], your door code[ for {device}] has changed. Please use {pin} instead of the \
                code you were given.[ It works from {starts} until {ends}.]
                """,
            updated: """
                Hello[ {name}], there is news about your door code[ for {device}]: please use {pin}.[ It \
                works from {starts} until {ends}.]
                """,
            revoked: """
                Hello[ {name}], the replacement door code[ for {device}] that we sent you no longer works.
                """,
            recovered: """
                Hello[ {name}], your first door code[ for {device}] works now, too.[ {pin} goes on working \
                until {ends}.]
                """),
        "es": MessageTexts(
            time: "{day} de {month_name} de {year}, {hour}:{minute}",
            months: names("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
            created: """
                Hola[, {name}]: el código de su puerta[ ({device})] ha cambiado. Use {pin} en lugar del \
                código que recibió.[ Es válido desde el {starts} hasta el {ends}.]
                """,
            updated: """
                Hola[, {name}]: hay novedades sobre el código de su puerta[ ({device})]. Use {pin}.[ Es \
                válido desde el {starts} hasta el {ends}.]
                """,
            revoked: """
                Hola[, {name}]: el código de sustitución de su puerta[ ({device})] que le enviamos ya no es \
                válido.
                """,
            recovered: """
                Hola[, {name}]: su primer código de la puerta[ ({device})] ya funciona también.[ {pin} \
                seguirá siendo válido hasta el {ends}.]
                """),
        "fr": MessageTexts(
            time: "{day} {month_name} {year} à {hour}:{minute}",
            months: names("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
            created: """
                Bonjour[ {name}], votre code de porte[ pour {device}] a changé. Veuillez utiliser {pin} à \
                la place du code que vous avez reçu.[ Il est valable du {starts} au {ends}.]
                """,
            updated: """
                Bonjour[ {name}], voici du nouveau pour votre code de porte[ pour {device}] : veuillez \
                utiliser {pin}.[ Il est valable du {starts} au {ends}.]
                """,
            revoked: """
                Bonjour[ {name}], le code de porte de remplacement[ pour {device}] que nous vous avons \
                envoyé n'est plus valable.
                """,
            recovered: """
                Bonjour[ {name}], votre premier code de porte[ pour {device}] fonctionne maintenant aussi.[ \
                {pin} reste valable jusqu'au {ends}.]
                """),
        "it": MessageTexts(
            time: "{day} {month_name} {year}, ore {hour}:{minute}",
            months: names(
                "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
            created: """
                Buongiorno[ {name}], il codice della sua porta[ ({device})] è cambiato. Usi {pin} al posto \
                del codice ricevuto.[ È valido dal {starts} al {ends}.]
                """,
            updated: """
                Buongiorno[ {name}], ci sono novità sul codice della sua porta[ ({device})]: usi {pin}.[ È \
                valido dal {starts} al {ends}.]
                """,
            revoked: """
                Buongiorno[ {name}], il codice sostitutivo della porta[ ({device})] che le abbiamo inviato \
                non è più valido.
                """,
            recovered: """
                Buongiorno[ {name}], ora funziona anche il suo primo codice della porta[ ({device})].[ \
                {pin} resta valido fino al {ends}.]
                """),
        "ja": MessageTexts(
            time: "{year}年{month}月{day}日 {hour}:{minute}",
            created: """
                [{name} 様、]ドア[（{device}）]の暗証番号が変更されました。お渡しした番号の代わりに {pin} をお使いください。[有効期間は {starts} から \
                {ends} までです。]
                """,
            updated: """
                [{name} 様、]ドア[（{device}）]の暗証番号についてのお知らせです。{pin} をお使いください。[有効期間は {starts} から {ends} までです。]
                """,
            revoked: """
                [{name} 様、]お送りしたドア[（{device}）]の代わりの暗証番号は無効になりました。
                """,
            recovered: """
                [{name} 様、]最初にお渡ししたドア[（{device}）]の暗証番号もお使いいただけるようになりました。[{pin} も {ends} まで有効です。]
                """),
        "pt": MessageTexts(
            time: "{day} de {month_name} de {year}, {hour}:{minute}",
            months: names("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
            created: """
                Olá[, {name}]: o código da sua porta[ ({device})] mudou. Use {pin} em vez do código que \
                recebeu.[ É válido de {starts} até {ends}.]
                """,
            updated: """
                Olá[, {name}]: há novidades sobre o código da sua porta[ ({device})]. Use {pin}.[ É válido \
                de {starts} até {ends}.]
                """,
            revoked: """
                Olá[, {name}]: o código de substituição da porta[ ({device})] que lhe enviámos já não é \
                válido.
                """,
            recovered: """
                Olá[, {name}]: o seu primeiro código da porta[ ({device})] também já funciona.[ {pin} \
                continua válido até {ends}.]
                """),
    ]

    /// The texts where nothing else was chosen.
    package static let english =
        builtIn["en"] ?? MessageTexts(time: "", created: "{pin}", updated: "{pin}", revoked: "", recovered: "")

    private static func names(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }
}
