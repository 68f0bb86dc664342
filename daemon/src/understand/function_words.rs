//! The small words that nearly every sentence has: they tell the languages of the Latin script apart, more surely than
//! statistics of letters do in a short text full of names and numbers, and far cheaper.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use crate::model::text::is_letter;

/// ISO 639-1 code and words; a word may stand in several lists.
const LISTS: [(&str, &str); 29] = [
    (
        "en",
        "the and to of you is that it for we with this your are be not was have can please but if my at from as on or would our \
         been they will has any an all when there which do so were than their about into its should no only",
    ),
    (
        "de",
        "der die das und ich sie nicht ist zu den mit ein eine es wir auf für ihr ihre im von dem werden haben bitte sich auch \
         bei noch wird als oder aber habe wie uns einen mir am nach aus wenn kann",
    ),
    (
        "fr",
        "le la les de des et vous je est pas une un pour que dans nous votre sur avec il qui ce ne du mon au vos cette par plus \
         mais merci suis ai avons notre bonjour sont être si",
    ),
    (
        "es",
        "el la los las de que en un una por para con no su es del se lo mi me al como pero más está gracias le usted este si \
         muy hola sus nos cuando ya",
    ),
    (
        "pt",
        "os as de que em um uma por para com não seu sua do da no na se mas mais como está obrigado você meu minha ao dos das \
         pelo nos foi olá isso eu",
    ),
    (
        "it",
        "il lo la gli le di che in un una per con non si del della sono mi ma come da al dei nel questo grazie più ho vi nostro \
         suo anche alla ci hanno",
    ),
    (
        "nl",
        "de het een en van ik je niet dat in is op te voor met zijn wij aan er maar om ook als bij uw naar mijn kan heeft dit \
         nog hebben wordt deze of wel graag",
    ),
    (
        "sv",
        "och att det är jag en inte som på för med av den till ni har om ett från kan vi er så eller men vår mig ska när detta \
         också din finns var",
    ),
    (
        "da",
        "og at det er jeg en ikke som på for med af den til de har om et fra kan vi så eller men vores mig skal når dette også \
         din være hvad blev efter",
    ),
    (
        "no",
        "og at det er jeg en ikke som på for med av den til de har om et fra kan vi så eller men vår meg skal når dette også \
         din være hva ble etter",
    ),
    (
        "fi",
        "ja on ei että se en olen mutta kun niin tai kuin ole oli minun teidän myös voi kiitos jos vain nyt sitä meidän tämä \
         hän ovat mitä joka sekä",
    ),
    ("pl", "nie to się na że jest do jak ale za po czy mi już tak co od dla proszę mam przez tym są który jestem moje pana ze aby"),
    (
        "cs",
        "je se na to že do jsem ale za jak po si by pro od ve tak které jako dobrý prosím nebo který jsou byl mi už máte být \
         než",
    ),
    ("sk", "je sa na to že do som ale za ako po si by pre od vo tak ktoré dobrý prosím alebo ktorý sú bol mi už máte byť než aj"),
    (
        "hu",
        "az és hogy nem is egy van meg ez de ha már csak mint vagy még volt ki azt kérem el amely nekem ezt kell lehet köszönöm \
         úgy fel",
    ),
    (
        "ro",
        "de și în la cu nu să pe un este că din mai pentru sunt am care dar ce vă dumneavoastră au fi prin acest bună mulțumesc \
         si sa",
    ),
    (
        "tr",
        "ve bir bu için de da ile çok ne var ben daha gibi ama değil kadar olarak sonra size lütfen olan mi siz merhaba ancak \
         nasıl bana",
    ),
    (
        "ca",
        "el la els les de que en un una per amb no és del al com però més està gràcies si molt hola quan ja aquest aquesta meu \
         seva hem tinc som ha hi us plau des fins també",
    ),
    (
        "hr",
        "je se na da to što ne za su od do ali sam kao nije koji po iz te smo hvala molim poštovani imam ili biti mi vam vas \
         ste",
    ),
    (
        "sl",
        "je se na da in to ne za so od do ali sem kot ni ki po iz smo kaj hvala prosim pozdravljeni imam ter bi vam vas ste \
         tudi lahko",
    ),
    (
        "et",
        "ja on ei et see ma oma kui ka aga mis või ning ole meie teie tere palun kas siis kõik mul olen oli veel aitäh väga \
         selle",
    ),
    ("lv", "un ir ar uz no par kas ka es nav vai bet mēs jūs lai tas arī lūdzu paldies labdien man jums šo kā tikai mums būtu esmu"),
    (
        "lt",
        "ir kad yra su iš tai ne bet aš mes jūs ar kaip nuo už dėl jau prašau ačiū laba diena man buvo mano jums kuris labai \
         dar",
    ),
    (
        "vi",
        "và của là có không tôi cho được với này một các trong đã bạn xin những người để khi cảm ơn nhưng rất chúng vui lòng từ \
         đến",
    ),
    ("tl", "ang ng sa na mga ay hindi ko po para kung ito ako at naman lang namin salamat pero dahil may niyo kami inyong aking"),
    (
        "af",
        "die en van is het nie dat ek in vir met op te wat sal kan my jou ons asseblief dankie baie was maar hulle om aan word \
         as by",
    ),
    ("cy", "yn mae ar ac wedi yr am fod nid oes ei eich bod gan ond hyn eu rwy diolch helo hefyd os gyda ni rydym chi cael byddaf"),
    (
        "az",
        "və bu bir üçün ilə də nə var mən siz daha kimi deyil olan çox zəhmət salam təşəkkür biz sizin mənim edirəm olaraq \
         bizim lakin",
    ),
    (
        "id",
        "yang dan di untuk dengan ini tidak dari saya anda ke pada adalah itu akan bisa kami atau sudah ada juga dalam mohon \
         terima kasih",
    ),
];

/// The lists that a word stands in, a bit each.
static WORDS: LazyLock<HashMap<&str, u32, FixedState>> = LazyLock::new(|| {
    let mut words = HashMap::with_hasher(FixedState::default());
    for (n, (_, list)) in LISTS.iter().enumerate() {
        for word in list.split_whitespace() {
            *words.entry(word).or_default() |= 1 << n;
        }
    }
    words
});

/// Words that a language needs: at least so many, and one in so many of all.
const ENOUGH: usize = 3;
const SHARE: usize = 8;

/// The language whose words stand in the text, where no other has nearly as many.
pub fn language(sample: &str) -> Option<&'static str> {
    let (mut counts, mut words) = ([0_usize; LISTS.len()], 0);
    for word in sample.split(|c: char| !is_letter(c)).filter(|word| word.len() > 1) {
        words += 1;
        let lists = match word.chars().any(char::is_uppercase) {
            true => WORDS.get(word.to_lowercase().as_str()),
            false => WORDS.get(word),
        };
        let Some(lists) = lists else { continue };
        counts.iter_mut().enumerate().filter(|(n, _)| lists >> n & 1 == 1).for_each(|(_, count)| *count += 1);
    }
    let (best, most) = counts.iter().enumerate().max_by_key(|(_, count)| **count)?;
    let second = counts.iter().enumerate().filter(|(n, _)| *n != best).map(|(_, count)| *count).max()?;
    let sure = *most >= ENOUGH && *most >= second + 2 && *most * 3 >= second * 4 && *most * SHARE >= words;
    LISTS.get(best).filter(|_| sure).map(|(code, _)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_told_apart() {
        for (code, text) in [
            ("en", "Could you please look into this? We have not received the parcel that you sent to our office."),
            ("de", "Ich habe die Rechnung nicht erhalten und bitte Sie, mir diese noch einmal zu schicken, wenn es geht."),
            ("fr", "Bonjour, je ne suis pas satisfait de votre service et nous attendons toujours une réponse pour la facture."),
            ("nl", "Ik heb het pakket niet ontvangen en ik wil graag weten of u het nog voor de vakantie kan sturen."),
            ("pl", "Nie mam już tego, co jest na fakturze, ale proszę o informację, czy to się da zmienić."),
        ] {
            assert_eq!(language(text), Some(code));
        }
    }

    #[test]
    fn what_is_not_sure_is_left_to_others() {
        for text in ["", "Invoice 4711", "det er en og at", "日本語の文章です", "de la que no en un"] {
            assert_eq!(language(text), None, "{text}");
        }
    }

    #[test]
    fn no_word_stands_twice_in_a_list() {
        for (code, list) in LISTS {
            let mut words: Vec<&str> = list.split_whitespace().collect();
            words.sort_unstable();
            let all = words.len();
            words.dedup();
            assert_eq!((words.len(), words.iter().all(|w| *w == w.to_lowercase())), (all, true), "{code}");
        }
    }
}
