"""Pure: the languages that whisper knows, by ISO 639-1 (or -3 where there is none), and how files and people spell
them.

From whisper's `tokenizer.LANGUAGES` (large-v3); the codes of three letters are those of ISO 639-2, both the
bibliographic and the terminological one, as Matroska, MP4 and QuickTime carry them.
"""

from typing import Final

TABLE: Final = """
af afr Afrikaans; am amh Amharic; ar ara Arabic; as asm Assamese; az aze Azerbaijani; ba bak Bashkir;
be bel Belarusian; bg bul Bulgarian; bn ben Bengali; bo bod,tib Tibetan; br bre Breton; bs bos Bosnian;
ca cat Catalan; cs ces,cze Czech; cy cym,wel Welsh; da dan Danish; de deu,ger German; el ell,gre Greek;
en eng English; es spa Spanish; et est Estonian; eu eus,baq Basque; fa fas,per Persian; fi fin Finnish;
fo fao Faroese; fr fra,fre French; gl glg Galician; gu guj Gujarati; ha hau Hausa; haw haw Hawaiian;
he heb,iw Hebrew; hi hin Hindi; hr hrv Croatian; ht hat Haitian Creole; hu hun Hungarian;
hy hye,arm Armenian; id ind,in Indonesian; is isl,ice Icelandic; it ita Italian; ja jpn Japanese;
jw jav,jv Javanese; ka kat,geo Georgian; kk kaz Kazakh; km khm Khmer; kn kan Kannada; ko kor Korean;
la lat Latin; lb ltz Luxembourgish; ln lin Lingala; lo lao Lao; lt lit Lithuanian; lv lav Latvian;
mg mlg Malagasy; mi mri,mao Maori; mk mkd,mac Macedonian; ml mal Malayalam; mn mon Mongolian;
mr mar Marathi; ms msa,may Malay; mt mlt Maltese; my mya,bur Burmese; ne nep Nepali; nl nld,dut Dutch;
nn nno Norwegian Nynorsk; no nor,nb,nob Norwegian; oc oci Occitan; pa pan Punjabi; pl pol Polish;
ps pus Pashto; pt por Portuguese; ro ron,rum,mo Romanian; ru rus Russian; sa san Sanskrit; sd snd Sindhi;
si sin Sinhala; sk slk,slo Slovak; sl slv Slovenian; sn sna Shona; so som Somali; sq sqi,alb Albanian;
sr srp Serbian; su sun Sundanese; sv swe Swedish; sw swa Swahili; ta tam Tamil; te tel Telugu;
tg tgk Tajik; th tha Thai; tk tuk Turkmen; tl tgl,fil Tagalog; tr tur Turkish; tt tat Tatar;
uk ukr Ukrainian; ur urd Urdu; uz uzb Uzbek; vi vie Vietnamese; yi yid,ji Yiddish; yo yor Yoruba;
yue yue Cantonese; zh zho,chi,cmn Chinese
"""
ENTRIES: Final = tuple(entry.split(maxsplit=2) for entry in TABLE.replace("\n", " ").split(";"))
NAMES: Final = {code: name for code, _, name in ENTRIES}
"""By code."""
CODES: Final = {code: code for code in NAMES} | {
    alias: code for code, aliases, _ in ENTRIES for alias in aliases.split(",")
}


def understood(spelled: str | None) -> str | None:
    """The code of whisper for `en`, `eng`, `en-GB`, `pt_BR`; None for what it does not know, and for `und`, `mul`."""
    if not spelled:
        return None
    return CODES.get(spelled.strip().lower().replace("_", "-").partition("-")[0])
