"""BM25 finds words of scripts that put no spaces between them, and text that has spaces is indexed as ever."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from providers.base import ProviderSettings
from providers.baselines.bm25 import Bm25
from providers.baselines.segments import segmented
from vocabulary import Message, Question, Session

SAID = {
    "Chinese": [
        ("小明上个月搬到了成都。", "小明现在住在哪个城市?成都吗?"),
        ("我妹妹对花生过敏。", "谁对花生过敏?"),
        ("我们的猫叫做橘子。", "猫叫什么名字?"),
        ("他在图书馆学习日语。", "他在哪里学习日语?"),
        ("周末我们去爬了黄山。", "他们什么时候爬了黄山?"),
        ("爷爷喜欢喝龙井茶。", "爷爷喜欢喝什么茶?"),
    ],
    "Japanese": [
        ("太郎は先月、京都に引っ越しました。", "太郎はどこに引っ越しましたか。"),
        ("妹は卵アレルギーがあります。", "卵アレルギーがあるのは誰ですか。"),
        ("うちの犬の名前はモモです。", "犬の名前は何ですか。"),
        ("図書館で中国語を勉強しています。", "中国語をどこで勉強していますか。"),
        ("週末に富士山に登りました。", "富士山に登ったのはいつですか。"),
        ("祖父は抹茶が好きです。", "祖父は何が好きですか。"),
    ],
    "Thai": [
        ("สมชายย้ายไปอยู่เชียงใหม่เมื่อเดือนที่แล้ว", "สมชายย้ายไปอยู่ที่ไหน"),
        ("น้องสาวแพ้ถั่วลิสง", "ใครแพ้ถั่วลิสง"),
        ("แมวของเราชื่อส้ม", "แมวชื่ออะไร"),
        ("เขาเรียนภาษาญี่ปุ่นที่ห้องสมุด", "เขาเรียนภาษาญี่ปุ่นที่ไหน"),
        ("สุดสัปดาห์เราปีนดอยอินทนนท์", "ปีนดอยอินทนนท์เมื่อไร"),
        ("คุณปู่ชอบดื่มชามะลิ", "คุณปู่ชอบดื่มชาอะไร"),
    ],
    "Korean": [
        ("민수는 지난달에 부산으로 이사했어요.", "민수가 이사한 도시는 부산인가요?"),
        ("여동생은 땅콩 알레르기가 있어요.", "땅콩에 알레르기가 있는 사람은?"),
        ("우리 고양이 이름은 보리예요.", "고양이의 이름은?"),
        ("그는 도서관에서 일본어를 공부해요.", "일본어는 어디에서 공부하나요?"),
        ("주말에 한라산에 올랐어요.", "한라산은 언제 올랐나요?"),
        ("할아버지는 녹차를 좋아하세요.", "할아버지가 좋아하는 녹차는?"),
    ],
    "Khmer": [
        ("សុខាផ្លាស់ទៅសៀមរាបកាលពីខែមុន", "សុខាផ្លាស់ទៅទីណា"),
        ("ប្អូនស្រីមិនអាចញ៉ាំសណ្តែកដី", "អ្នកណាមិនអាចញ៉ាំសណ្តែកដី"),
        ("ឆ្មារបស់យើងឈ្មោះក្រូច", "ឆ្មាឈ្មោះអ្វី"),
        ("គាត់រៀនភាសាជប៉ុននៅបណ្ណាល័យ", "គាត់រៀនភាសាជប៉ុននៅឯណា"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("script", SAID)
def test_every_script_is_found(script: str, tmp_path: Path) -> None:
    with closing(Bm25(ProviderSettings(), tmp_path)) as provider:
        messages = tuple(
            Message(id=f"m{number}", speaker="Ann", role="user", text=said)
            for number, (said, _question) in enumerate(SAID[script])
        )
        provider.ingest("c", Session(id="s", date=None, messages=messages))
        for number, (_said, text) in enumerate(SAID[script]):
            found = provider.search("c", Question(id=f"q{number}", text=text), 3)
            assert found, text
            assert found[0].message_ids == (f"m{number}",), text
            assert found[0].text.endswith(SAID[script][number][0]), "the result is the text as it was said"


@pytest.mark.parametrize(
    "text", ["Where did Élodie's naïve friend go?", "Привет, как дела?", "हिन्दी में", "مرحبا بالعالم", "4 cafés — 🙂"]
)
def test_text_with_spaces_is_as_it_was(text: str) -> None:
    assert segmented(text) == text


def test_pairs_of_letters_stand_between_spaces() -> None:
    assert segmented("I like 龙井茶 and 茶.").split() == ["I", "like", "龙井", "井茶", "and", "茶", "."]
    assert segmented("か\u3099き").split() == ["がき"]
