//! What do the codes of the Citizen Lab test lists mean, and what may a visit mean for whoever
//! makes it? One table. A level is somebody's judgement, made before any country is known: an
//! operator raises it where the law or its use says so (`risk.csv`), and nothing lowers it.

use faultline_core::protocol::Risk;

/// Code, what stands for it in the lists, and the risk of a visit.
const CATEGORIES: &[(&str, &str, Risk)] = &[
    ("ALDR", "Alcohol and drugs", Risk::Medium),
    ("REL", "Religion", Risk::Medium),
    ("PORN", "Pornography", Risk::High),
    ("PROV", "Provocative attire", Risk::Medium),
    ("POLR", "Political criticism", Risk::Medium),
    ("HUMR", "Human rights issues", Risk::Medium),
    ("ENV", "Environment", Risk::Medium),
    ("MILX", "Terrorism and militants", Risk::High),
    ("TERR", "Terrorism", Risk::High),
    ("HATE", "Hate speech", Risk::High),
    ("NEWS", "News media", Risk::Low),
    ("XED", "Sex education", Risk::High),
    ("PUBH", "Public health", Risk::Medium),
    ("GMB", "Gambling", Risk::Medium),
    (
        "ANON",
        "Anonymization and circumvention tools",
        Risk::Medium,
    ),
    ("DATE", "Online dating", Risk::Medium),
    ("GRP", "Social networking", Risk::Medium),
    ("LGBT", "LGBTQ+", Risk::High),
    ("FILE", "File-sharing", Risk::Medium),
    ("HACK", "Hacking tools", Risk::Medium),
    ("COMT", "Communication tools", Risk::Low),
    ("MMED", "Media sharing", Risk::Medium),
    ("HOST", "Hosting and blogging", Risk::Medium),
    ("SRCH", "Search engines", Risk::Low),
    ("GAME", "Gaming", Risk::Medium),
    ("CULTR", "Culture", Risk::Low),
    ("ECON", "Economics", Risk::Low),
    ("GOVT", "Government", Risk::Low),
    ("COMM", "E-commerce", Risk::Low),
    ("CTRL", "Control content", Risk::Low),
    ("IGO", "Intergovernmental organizations", Risk::Low),
    ("MISC", "Miscellaneous content", Risk::Low),
];

/// The risk of a category; none of a code that nobody knows.
pub fn risk(code: &str) -> Option<Risk> {
    let of = |(known, _, risk): &(&str, &str, Risk)| (*known == code).then_some(*risk);
    CATEGORIES.iter().find_map(of)
}

/// What a code stands for.
pub fn description(code: &str) -> Option<&'static str> {
    let of =
        |(known, words, _): &(&str, &'static str, Risk)| (*known == code).then_some(*words);
    CATEGORIES.iter().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once() {
        let mut codes: Vec<_> = CATEGORIES.iter().map(|(code, ..)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CATEGORIES.len());
        assert_eq!(risk("LGBT"), Some(Risk::High));
        assert_eq!(
            (risk("XXXX"), description("NEWS")),
            (None, Some("News media"))
        );
    }
}
