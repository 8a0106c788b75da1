"""Personalized promotions: nobody chose outside her list, more than the maximum, or of another programme (S2-06)."""

from offers.selectors.integrity.check import Check, of

CHECKS = [
    Check(
        "promotion_choice_outside_its_list",
        "Whatever a member chose stands on the list that she has.",
        f"""
        SELECT choice.id
          FROM offers_promotionchoice AS choice
          JOIN offers_promotionenrolment AS enrolment ON enrolment.id = choice.enrolment_id
          JOIN offers_personalizedpromotion AS promotion ON promotion.id = enrolment.promotion_id
          JOIN offers_promotionlistitem AS item ON item.id = choice.item_id
         WHERE {of("promotion.programme_id")} AND item.product_list_id <> enrolment.product_list_id
        """,
    ),
    Check(
        "promotion_choice_above_the_maximum",
        "No member has chosen more products than her promotion lets.",
        f"""
        SELECT enrolment.id
          FROM offers_promotionenrolment AS enrolment
          JOIN offers_personalizedpromotion AS promotion ON promotion.id = enrolment.promotion_id
          JOIN offers_promotionchoice AS choice ON choice.enrolment_id = enrolment.id
         WHERE {of("promotion.programme_id")} AND enrolment.withdrawn_at IS NULL
         GROUP BY enrolment.id, promotion.maximum_distinct_products
        HAVING count(*) > promotion.maximum_distinct_products
        """,
    ),
    Check(
        "promotion_choice_without_its_moment",
        "Who has chosen has the moment of it, and who has not has none.",
        f"""
        SELECT enrolment.id
          FROM offers_promotionenrolment AS enrolment
          JOIN offers_personalizedpromotion AS promotion ON promotion.id = enrolment.promotion_id
         WHERE {of("promotion.programme_id")}
           AND (enrolment.chosen_at IS NOT NULL) <> EXISTS (
                SELECT FROM offers_promotionchoice AS choice WHERE choice.enrolment_id = enrolment.id
           )
        """,
    ),
    Check(
        "promotion_enrolment_out_of_place",
        "An enrolment's member and list are of its promotion and its programme, and so are the list's products.",
        f"""
        SELECT enrolment.id
          FROM offers_promotionenrolment AS enrolment
          JOIN offers_personalizedpromotion AS promotion ON promotion.id = enrolment.promotion_id
          JOIN offers_promotionproductlist AS list ON list.id = enrolment.product_list_id
          JOIN loyalty_member AS member ON member.id = enrolment.member_id
         WHERE {of("promotion.programme_id")}
           AND (list.promotion_id <> enrolment.promotion_id
                OR member.programme_id <> promotion.programme_id
                OR EXISTS (
                    SELECT FROM offers_promotionlistitem AS item
                      JOIN loyalty_product AS product ON product.id = item.product_id
                     WHERE item.product_list_id = list.id AND product.programme_id <> promotion.programme_id
                ))
        """,
    ),
]
