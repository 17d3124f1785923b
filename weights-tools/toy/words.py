"""The vocabulary of the toy's world. Every list is our own; nothing is copied from a text."""

KEYS = """river stone lamp garden bridge candle mirror window door table chair basket ladder hammer needle
button pocket ribbon pillow blanket kettle spoon plate bottle barrel anchor rope sail boat harbor island
mountain valley forest meadow desert glacier canyon waterfall cave tunnel tower castle cottage barn stable
mill bakery market school library museum theater station airport tractor wagon bicycle train engine wheel
clock compass map letter book pencil paper brush canvas violin drum flute piano guitar trumpet bell whistle
apple pear plum cherry lemon grape melon peach carrot onion potato tomato pepper garlic bean corn wheat rice
bread butter cheese honey sugar salt soup salad cake cookie rabbit fox bear wolf deer otter badger hedgehog
squirrel mouse cat dog horse cow sheep goat pig duck goose hen owl eagle hawk raven sparrow robin swan crane
heron turtle frog lizard snake whale dolphin seal shark salmon trout crab lobster spider beetle ant bee
butterfly dragonfly rose tulip daisy lily violet poppy fern moss ivy oak maple birch cedar pine willow elm
cloud storm thunder rainbow sunrise sunset moon star comet planet rocket satellite telescope magnet battery
helmet glove scarf jacket sweater sandal boot hat coat belt""".split()

VALUES = """amber azure beige black blue bronze brown copper coral cream crimson cyan gold gray green indigo
ivory jade khaki lavender lime magenta maroon mint navy ochre olive orange pearl pink plain purple red ruby
rust sand scarlet silver tan teal turquoise white yellow bitter bold brave bright broken calm clean clever
cold cool crisp curly damp dark deep dry dull eager early empty faint fancy fast fine firm flat fresh gentle
giant happy hard heavy hidden hollow huge icy kind large late lazy light little long loud lucky mild modern
narrow neat new noisy old open pale plump polite proud quick quiet rapid rare rich ripe rough round royal
sharp shiny short silent simple slow small smart smooth soft solid sour steep sticky strong sweet swift tall
tender thick thin tidy tiny tired warm weak wide wild wise young""".split()

NAMES = """Ada Ben Cora Dan Ella Finn Greta Hugo Ida Jon Kira Leo Mara Nils Olga Paul Rosa Sam Tara Uma Vera
Walt Yara Zoe Anna Boris Clara David Emma Felix""".split()

CITIES = """Oslo Paris London Berlin Madrid Rome Vienna Prague Warsaw Lisbon Dublin Athens Cairo Tokyo Delhi
Lima Quito Boston Denver Austin Dallas Seattle Toronto Sydney Perth Nairobi Lagos Accra Seoul Hanoi Manila
Zurich Geneva Munich Hamburg Milan Turin Naples Porto Seville Bergen Helsinki Stockholm Copenhagen Riga
Vilnius Tallinn Krakow Budapest Bucharest""".split()

PLACES = ["the park", "the forest", "the beach", "the market", "the library", "the garden", "the harbor",
          "the school", "the hill", "the river", "the old barn", "the castle"]
THINGS = ["a red ball", "a small key", "a blue kite", "a warm scarf", "a shiny coin", "a paper boat", "a green hat",
          "an old map", "a silver bell", "a sweet apple", "a tiny drum", "a long rope"]
ANIMALS = ["cat", "dog", "fox", "rabbit", "owl", "duck", "horse", "bear", "mouse", "frog", "goat", "swan"]
MOODS = ["happy", "tired", "brave", "curious", "quiet", "proud", "sleepy", "cheerful"]
WEATHERS = ["sunny", "cloudy", "rainy", "windy", "snowy", "foggy"]
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
CURRENCIES = ["euro", "dollar", "krone", "yen", "pound", "franc"]
ITEMS = ["apple", "pear", "lemon", "melon", "carrot", "onion", "bread", "butter", "cheese", "honey"]
LANGUAGES = ["French", "German", "Spanish", "Italian", "Dutch", "Polish", "Greek", "Finnish"]
